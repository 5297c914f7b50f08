#!/usr/bin/perl
# Speaks where a worker of ours was sent, checked and told to run: KIND FILE DIRECTORY.
use strict;
use warnings;

my ($kind, $file, $directory) = @ARGV;
binmode STDIN;
binmode STDOUT;
$| = 1;
open(my $note, '>', '/run/spoke') or die;
print $note -s $file, "\n";
close $note;

sub framed { my ($text) = @_; return pack('N', 1 + length $text) . "\x01" . $text }
sub spoken { print STDOUT @_ or exit }
sub hello { spoken(framed('{"say":"hello","protocol":PROTOCOL,"version":"0.1.0","pid":1}')) }

# Waits for a question; gives its number.
sub asked {
    while (read(STDIN, my $head, 4) == 4) {
        read(STDIN, my $text, unpack('N', $head));
        return $1 if $text =~ /"say":"ask","id":(\d+)/;
    }
    exit;
}

# The worker itself, with other words in its mouth.
sub lying {
    my ($change) = @_;
    open(my $worker, '-|', $file, 'worker', $directory) or die;
    binmode $worker;
    while (read($worker, my $head, 4) == 4) {
        my $length = unpack('N', $head);
        my $text = '';
        while (length $text < $length) {
            read($worker, $text, $length - length $text, length $text) or exit;
        }
        $change->() for $text;
        spoken(pack('N', length $text), $text);
    }
    exit;
}

my %kinds = (
    mute => sub { sleep 600 },
    dumb => sub { hello(); sleep 600 },
    bytes => sub { spoken('A' x 65536) while 1 },
    frames => sub { hello(); my $many = framed('{"say":"event","event":"committed"}') x 1000; spoken($many) while 1 },
    four => sub { hello(); spoken("\xff\xff\xff\xff"); spoken("\0" x 65536) while 1 },
    invalid => sub { hello(); spoken(framed('{"say":"\u001b[2J\u202e../../../etc/passwd\u0007"}')); sleep 600 },
    older => sub {
        spoken(framed('{"say":"hello","protocol":99,"version":"\u001b]0;x\u0007../../../root","pid":1}'));
        sleep 600;
    },
    parts => sub {
        hello();
        my $number = asked();
        spoken(framed("{\"say\":\"answer\",\"id\":$number,\"result\":[" . '0,' x (32 << 20) . '0]}'));
        sleep 600;
    },
    long => sub {
        hello();
        my $number = asked();
        my $doing = '\u001b[31m../../../root/' . 'A' x (160 << 20);
        spoken(framed("{\"say\":\"answer\",\"id\":$number,\"result\":{\"Err\":{\"error\":\"gone\",\"doing\":\"$doing\"}}}"));
        sleep 600;
    },
    reason => sub {
        hello();
        my $doing = '\u001b[31m\u202e../../../root/x\n\rdone';
        while (1) {
            my $number = asked();
            spoken(framed("{\"say\":\"answer\",\"id\":$number,\"result\":{\"Err\":{\"error\":\"gone\",\"doing\":\"$doing\"}}}"));
        }
    },
    liar => sub {
        lying(sub {
            s{"hostname":"[^"]*"}{"hostname":"../../../../root/pwned\\u001b[2J"}g;
            s{"comm":"xmrig"}{"comm":"../../xm\\u001b[31m\\u202erig"}g;
        });
    },
    keeper => sub {
        lying(sub { s{"path":"[^"]*"}{"path":"/../../../../root/pwned\\u001b[2J"}g if /"event":"keeping"/ });
    },
);

if ($kind !~ /^(?:liar|keeper)$/) {
    unlink $file;
    rmdir $directory;
}
$kinds{$kind}->();
