//! Chinese for the sentences of shipped rules, modules and playbooks.
//!
//! Those who state a finding, or write a playbook, do so in English, and only English is written down. A sentence that does
//! not stand here (of a site's own rules, of a module from elsewhere) is shown as it was written. The fields of a sentence
//! are the same in both; the tests hold this list against what is shipped.

/// English, Chinese.
pub(super) const AUTHORED: &[(&str, &str)] = &[
    // Accounts, samples, units, persistence, containment.
    (
        "account {account} (uid {uid}) is open",
        "账户 {account}（uid {uid}）仍可登录",
    ),
    ("by {source} it mines at {pool}", "据 {source}，它在 {pool} 挖矿"),
    (
        "by {source} it mines at {pool} for {paid}",
        "据 {source}，它在 {pool} 挖矿，收益归 {paid}",
    ),
    ("by {source} it mines for {paid}", "据 {source}，它的挖矿收益归 {paid}"),
    ("it starts `{command}`: {why}", "它启动 `{command}`：{why}"),
    (
        "it lives in container {container} of a Kubernetes pod, which is started again as the pod's restart policy says: the miner may come back with it; a person removes what made the pod",
        "它位于 Kubernetes Pod 的容器 {container} 中，Pod 会按其重启策略再次启动：挖矿木马可能随之复活；请人工移除创建该 Pod 的对象",
    ),
    (
        "it lives in container {container}, whose restart policy could not be read: the container may be started again, and the miner with it; a person asks its runtime",
        "它位于容器 {container} 中，其重启策略无法读取：容器可能再次启动，挖矿木马随之复活；请人工向其运行时查询",
    ),
    (
        "it lives in container {container}, whose restart policy is `{policy}`: when it is killed, the container may be started again, and the miner with it; a person stops the container",
        "它位于容器 {container} 中，其重启策略为 `{policy}`：终止进程后容器可能再次启动，挖矿木马随之复活；请人工停止该容器",
    ),
    (
        "named as the intruder's, but not on this host: {names}",
        "被指名属于入侵者，但不在本机：{names}",
    ),
    ("no miner here", "未发现挖矿木马"),
    ("no miner here, and no alarm was given", "未发现挖矿木马，也未提供告警"),
    (
        "nothing is named or known as the intruder's; a person looks",
        "没有被指名或已知属于入侵者的对象；请人工查看",
    ),
    (
        "records of {path} are zeroed ({count}): somebody wiped logins out of it",
        "{path} 中有记录被清零（{count} 条）：有人从中抹去了登录记录",
    ),
    (
        "sshd runs it at our login, at each one, before anything of ours",
        "我们每次登录时，sshd 都会先运行它",
    ),
    (
        "suspected, or not enough was seen, and no alarm was given; a person looks",
        "可疑或所见不足，也未提供告警；请人工查看",
    ),
    (
        "the line loads {library}, which is condemned, into every program",
        "该行使每个程序都加载已判定的 {library}",
    ),
    (
        "the {manager} manager runs {unit} to make a unit of {served}, which is condemned: {files}",
        "{manager} 管理器运行 {unit}，为已判定的 {served} 生成单元：{files}",
    ),
    (
        "what is added to the {manager} manager's {unit} starts {served}, which is condemned: {files}",
        "附加到 {manager} 管理器的 {unit} 的配置启动已判定的 {served}：{files}",
    ),
    (
        "{count} more things that start by themselves are unusual",
        "另有 {count} 个自启动项不寻常",
    ),
    (
        "{packets} packets to blocked addresses were dropped long after the stroke: somebody on this host, or in a container of it, still tries",
        "处置很久之后仍丢弃了 {packets} 个发往已封禁地址的数据包：本机或其容器中仍有程序在尝试连接",
    ),
    // playbooks/rules/linux.yml
    (
        "it is connected to {value}, which the alarm names",
        "与 {value} 有连接，告警中提到它",
    ),
    (
        "its arguments name `{value}`, known from the alarm as {indicator}",
        "命令行参数指定了 `{value}`，即告警中的 {indicator}",
    ),
    (
        "the file that it runs is the one of the alarm, sha256 {value}",
        "所运行文件就是告警中的文件，sha256 {value}",
    ),
    (
        "its arguments name a pool by its scheme: `{value}`",
        "命令行参数以矿池协议指定了矿池：`{value}`",
    ),
    (
        "its arguments name the pool `{value}`, known as {pool}",
        "命令行参数指定了矿池 `{value}`，即已知的 {pool}",
    ),
    (
        "{count} XMRig options in its arguments: {value}",
        "命令行参数中有 {count} 个 XMRig 选项：{value}",
    ),
    (
        "its arguments choose the mining algorithm `{value}`",
        "命令行参数选择了挖矿算法 `{value}`",
    ),
    (
        "its arguments hold a miner's words in base64, in `{value}`",
        "命令行参数中有以 base64 编码的挖矿用语，位于 `{value}`",
    ),
    (
        "its arguments are those of a GPU miner: {value}",
        "命令行参数是 GPU 挖矿程序的参数：{value}",
    ),
    (
        "its arguments are those of MinerGate: `{value}`",
        "命令行参数是 MinerGate 的参数：`{value}`",
    ),
    (
        "its arguments run a mining benchmark: `{value}`",
        "命令行参数用于运行挖矿性能测试：`{value}`",
    ),
    (
        "a valid Monero address in its arguments: `{value}`",
        "命令行参数中有校验有效的门罗币地址：`{value}`",
    ),
    (
        "an Ethereum address with a worker's name in its arguments: `{value}`",
        "命令行参数中有带矿工名的以太坊地址：`{value}`",
    ),
    (
        "it is connected to {value}, which the operator names as a pool",
        "与 {value} 有连接，操作人员指明那是矿池",
    ),
    (
        "it is connected to {value}, a port that pools use and many others too",
        "与 {value} 有连接，该端口常用于矿池，也用于许多其他服务",
    ),
    (
        "the file that it runs is named `{value}`, exactly like a known miner",
        "所运行文件名为 `{value}`，与已知挖矿程序完全相同",
    ),
    (
        "named like a kernel thread, `{value}`, but it runs a file: {exe}",
        "名称冒充内核线程 `{value}`，实际运行文件：{exe}",
    ),
    (
        "it has no arguments at all, not even its own name",
        "没有任何命令行参数，连自身名称也没有",
    ),
    (
        "it runs a file that only exists in memory: `{value}`",
        "所运行文件只存在于内存中：`{value}`",
    ),
    (
        "the file that it runs was deleted: {value}",
        "所运行文件已被删除：{value}",
    ),
    (
        "it calls itself `{value}` but runs {exe}",
        "自称 `{value}`，实际运行 {exe}",
    ),
    ("it runs from a temporary place: {value}", "从临时目录运行：{value}"),
    ("it runs from a hidden directory: {value}", "从隐藏目录运行：{value}"),
    (
        "the script that it runs lies in a temporary or hidden place: {value}",
        "所运行脚本位于临时或隐藏位置：{value}",
    ),
    (
        "{value} stands among the system's programs, but no package knows it",
        "{value} 位于系统程序目录，但不属于任何软件包",
    ),
    (
        "{value} should be of package {package}, but its content is another",
        "{value} 应属于软件包 {package}，但内容不符",
    ),
    ("no package knows {value}", "{value} 不属于任何软件包"),
    ("{place} starts it: `{value}`", "由 {place} 启动：`{value}`"),
    (
        "the line that starts it also pipes a download into a shell: `{value}`",
        "启动它的行还把下载内容直接交给 shell 执行：`{value}`",
    ),
    (
        "started by pid {guardian} `{value}`, which itself lies in a temporary or hidden place or loops around it",
        "由进程 {guardian} `{value}` 启动，后者自身位于临时或隐藏位置，或循环拉起它",
    ),
    ("CPU {value} % of one CPU", "占用单个 CPU 的 {value} %"),
    (
        "file of package {package}, digest matches",
        "属于软件包 {package}，摘要相符",
    ),
    (
        "`{value}` is a program that works hard by trade",
        "`{value}` 是本职就高负载的程序",
    ),
    (
        "`{value}` is a tool that is told what to look for: words in its arguments are not its own",
        "`{value}` 是查找类工具：其参数中的词语并非它自身的特征",
    ),
    (
        "the site allows {user} to run this file from this place, by its content",
        "站点允许 {user} 从此位置运行此内容的文件",
    ),
    (
        "pid {starter} let somebody in who started it, and nothing hides it: the owner's own, or an intruder's who is \
         logged in; to allow it: --set allow={allow}",
        "由经进程 {starter} 登录的人启动，且没有隐藏迹象：可能是主人自己的，也可能属于已登录的入侵者；如要放行：\
         --set allow={allow}",
    ),
    (
        "the batch system, pid {starter}, started it, and nothing hides it: somebody's job, wanted or not; to allow it: \
         --set allow={allow}",
        "由作业调度系统（进程 {starter}）启动，且没有隐藏迹象：是某人的作业，是否允许须由人决定；如要放行：--set allow={allow}",
    ),
    // host.facts, verify.quiet
    (
        "the kernel runs the module `{module}`, which no package explains: what this kernel shows may be false; do not \
         unload it, keep the disk and build the host anew",
        "内核运行着没有软件包来源的模块 `{module}`：该内核所示可能不实；不要卸载它，请保留磁盘并重建主机",
    ),
    (
        "the kernel runs the module `{module}`, which hides from the list of modules: what this kernel shows may be false; \
         do not unload it, keep the disk and build the host anew",
        "内核运行着从模块列表中隐藏的模块 `{module}`：该内核所示可能不实；不要卸载它，请保留磁盘并重建主机",
    ),
    (
        "the kernel is marked by a foreign module, and shows none: what it shows may be false; keep the disk and build the \
         host anew, unless somebody knows what was loaded",
        "内核带有外来模块的标记却没有列出任何此类模块：其所示可能不实；请保留磁盘并重建主机，除非有人知道曾加载过什么",
    ),
    // miner.trace
    (
        "judged a miner with {points} points of {needed}",
        "判定为挖矿进程，{points} 分（满 {needed} 分即判定）",
    ),
    (
        "judged a miner, but what it runs, {path}, is too large to hash with {size} bytes, more than {limit}: no act can \
         name it; a person decides",
        "判定为挖矿进程，但所运行文件 {path} 有 {size} 字节，超过 {limit}，无法计算摘要：不能据此动手，须由人决定",
    ),
    (
        "judged suspect with {points} points, {needed} needed; a person decides",
        "判定为疑似，{points} 分（满 {needed} 分才判定为挖矿）；须由人决定",
    ),
    (
        "{count} objects are condemned, more than the {limit} of one miner; a person decides",
        "共判定 {count} 个对象，超过单个挖矿木马的上限 {limit}；须由人决定",
    ),
    (
        "born of a condemned process, with its command line and its executable",
        "由恶意进程派生，命令行与可执行文件均相同",
    ),
    (
        "it runs the content of a condemned executable from {path}",
        "从 {path} 运行与恶意可执行文件相同的内容",
    ),
    (
        "its arguments name a condemned file; no package knows {path}, in a remarkable place: a guardian, or somebody who \
         looks",
        "命令行参数指向恶意文件；{path} 不属于任何软件包且位置可疑：可能是守护进程，也可能是有人在排查",
    ),
    (
        "born of a condemned process; no package knows {path}, in a remarkable place or beside it",
        "由恶意进程派生；{path} 不属于任何软件包，位于可疑位置或与之同处",
    ),
    (
        "parent or companion of a condemned process; no package knows {path}, in a remarkable place or beside it",
        "恶意进程的父进程或同伴；{path} 不属于任何软件包，位于可疑位置或与之同处",
    ),
    (
        "the script that it runs, {script}, names {served}",
        "所运行脚本 {script} 提到 {served}",
    ),
    (
        "the script that it runs, {script}, puts {served} in its place or starts it",
        "所运行脚本 {script} 会放置或启动 {served}",
    ),
    (
        "its text puts {served} in its place or starts it",
        "其内容会放置或启动 {served}",
    ),
    (
        "parent of a condemned process; its command starts {served} again and again",
        "恶意进程的父进程；其命令反复启动 {served}",
    ),
    (
        "parent of a condemned process; the script that it was started with, {path}, is gone",
        "恶意进程的父进程；启动它的脚本 {path} 已不存在",
    ),
    (
        "condemned pid {pid} runs this file, but its user could not have put it there",
        "恶意进程 {pid} 运行此文件，但其用户无权把它放在那里",
    ),
    (
        "condemned pid {pid} runs this file, and the host's own word is that a package brought it: a person decides",
        "恶意进程 {pid} 运行此文件，而据该主机自身所言，它由软件包安装：由人决定",
    ),
    ("the file that condemned pid {pid} runs", "恶意进程 {pid} 所运行的文件"),
    (
        "its content is that of a condemned executable, sha256 {sha256}",
        "内容与恶意可执行文件相同，sha256 {sha256}",
    ),
    (
        "its content is that of a condemned executable, sha256 {sha256}, but it lies where others keep theirs",
        "内容与恶意可执行文件相同，sha256 {sha256}，但位于他人存放文件的地方",
    ),
    (
        "its text puts {served} in its place or starts it, but it lies where others keep theirs",
        "其内容会放置或启动 {served}，但位于他人存放文件的地方",
    ),
    (
        "its text is a miner's configuration: pools with a user",
        "内容是挖矿程序的配置：矿池与用户",
    ),
    (
        "every command in it starts {served} or puts it in its place",
        "其中每条命令都在启动或放置 {served}",
    ),
    (
        "it starts {served}, but it does other things too, or a package knows it: edit it by hand",
        "它会启动 {served}，但还做其他事情，或属于某个软件包：请手工编辑",
    ),
    (
        "the line starts {served}, which is condemned, and pipes a download into a shell",
        "该行启动恶意文件 {served}，并把下载内容直接交给 shell 执行",
    ),
    (
        "the line starts {served}, which is condemned, and nothing else",
        "该行只启动恶意文件 {served}",
    ),
    (
        "the line pipes a download into a shell; nothing ties it to a condemned object",
        "该行把下载内容直接交给 shell 执行；没有证据表明它与恶意对象有关",
    ),
    (
        "the line starts {served}, which is condemned, and does other things too; without it: `{replacement}`",
        "该行启动恶意文件 {served}，还做其他事情；去掉后为：`{replacement}`",
    ),
    (
        "the line starts {served}, which is condemned, and may do other things too: edit it by hand",
        "该行启动恶意文件 {served}，可能还做其他事情：请手工编辑",
    ),
    (
        "it reads directories in the place of the system and holds the name of {hidden}",
        "它代替系统读取目录，并含有 {hidden} 的名称",
    ),
    (
        "the line loads {library}, which hides {hidden}, into every program",
        "该行把隐藏 {hidden} 的 {library} 加载到每个程序中",
    ),
    (
        "the line loads {library}, which no package knows, into every program",
        "该行把不属于任何软件包的 {library} 加载到每个程序中",
    ),
    (
        "judged a miner with {points} points of {needed}; it runs in {unit}",
        "判定为挖矿进程，{points} 分（满 {needed} 分即判定）；它运行于 {unit}",
    ),
    (
        "the run was told to condemn {path}, and no package stands behind it",
        "本次运行被要求将 {path} 判定为恶意，且它不属于任何软件包",
    ),
    (
        "the run was told to condemn {path}, but a package stands behind it: a person decides",
        "本次运行被要求将 {path} 判定为恶意，但它属于某个软件包：须由人决定",
    ),
    ("the operator's alarm: {alarm}", "操作人员的告警：{alarm}"),
    (
        "the playbook runs `{program}`: {because}",
        "剧本要求执行 `{program}`：{because}",
    ),
    (
        "the operator names {address} as the miner's",
        "操作人员指明 {address} 属于挖矿木马",
    ),
    (
        "`{name}` is no address, and no host resolves a name for us: give its addresses",
        "`{name}` 不是地址，而我们不让任何主机解析名称：请给出它的地址",
    ),
    (
        "nothing is blocked here: {why}; block the addresses at the network's edge",
        "此处不封禁：{why}；请在网络边界封禁这些地址",
    ),
    (
        "lines {first} to {last} start {served}, which is condemned, and nothing else: take them out together",
        "第 {first} 至 {last} 行只启动恶意文件 {served}：请一并删除",
    ),
    (
        "the line starts {served}, which is condemned, and is a part of lines {first} to {last}, which do other things too: \
         put `:` in its place",
        "该行启动恶意文件 {served}，属于还做其他事情的第 {first} 至 {last} 行：请用 `:` 代替它",
    ),
    (
        "the line starts {served}, which is condemned, and says other things too: edit it by hand",
        "该行启动恶意文件 {served}，还有其他内容：请手工编辑",
    ),
    (
        "the line starts {served}, which is condemned; in such a file a mistake locks people out or breaks more: edit it by \
         hand",
        "该行启动恶意文件 {served}；这类文件一旦改错会把人锁在门外或造成更大破坏：请手工编辑",
    ),
    (
        "settings make it search {home}, where a condemned executable lies",
        "设置使其在 {home} 中查找程序，而那里有恶意可执行文件",
    ),
    (
        "settings make what it starts load {served}, which is condemned; they hold for other lines too",
        "设置使其启动的程序加载恶意文件 {served}；这些设置也适用于其他行",
    ),
    (
        "by the link its place starts {served}, which is condemned",
        "该位置通过此链接启动恶意文件 {served}",
    ),
    (
        "{path} should be of package {package}, but its content is another",
        "{path} 应属于软件包 {package}，但内容不符",
    ),
    ("{path} points to {target}", "{path} 指向 {target}"),
    // units
    (
        "all that the {manager} manager's {unit} is for is {served}, which is condemned: {files}",
        "{manager} 管理器的 {unit} 只为恶意文件 {served} 服务：{files}",
    ),
    (
        "all that the unit in it is for is {served}, which is condemned; {link} gives it to the service manager",
        "其中的服务单元只为恶意文件 {served} 服务；{link} 把它交给服务管理器",
    ),
    (
        "condemned pid {pid} runs in {unit}, which the {manager} manager has only in memory: {path} is gone",
        "恶意进程 {pid} 运行于 {unit}，{manager} 管理器只在内存中保留它：{path} 已不存在",
    ),
    (
        "condemned pid {served} runs in {unit}, whose words do not tell it: a person decides",
        "恶意进程 {served} 运行于 {unit}，但其内容看不出这一点：须由人决定",
    ),
    (
        "the {manager} manager has {unit} in memory, from {path}",
        "{manager} 管理器内存中有来自 {path} 的 {unit}",
    ),
    (
        "{unit} is an instance of {template}, which is condemned",
        "{unit} 是恶意模板 {template} 的实例",
    ),
    (
        "{unit}, which is condemned, reads its settings from it",
        "恶意服务单元 {unit} 从中读取设置",
    ),
    (
        "{path} makes {unit} start {served}, which is condemned, and does other things too: edit it by hand",
        "{path} 使 {unit} 启动恶意文件 {served}，还做其他事情：请手工编辑",
    ),
    (
        "{served}, which is condemned, starts {unit} with it, as it fails or as it ends",
        "恶意服务单元 {served} 在启动、失败或结束时会带起 {unit}",
    ),
    // host.usage
    ("its CPUs are {value} % busy", "CPU 占用 {value} %"),
    ("{value} % of its memory is taken", "内存已用 {value} %"),
    ("{value} % of its swap is taken", "交换空间已用 {value} %"),
    (
        "{value} MiB are set aside as huge pages, as much as RandomX takes",
        "预留了 {value} MiB 大页内存，与 RandomX 所需相当",
    ),
    ("the disk {which} is {value} % busy", "磁盘 {which} 繁忙 {value} %"),
    (
        "the file system {which} is {value} % full",
        "文件系统 {which} 已用 {value} %",
    ),
    (
        "{value} % of the inodes of {which} are taken",
        "{which} 的 inode 已用 {value} %",
    ),
    (
        "the sensor {which} is at {value} degrees Celsius",
        "传感器 {which} 温度为 {value} 摄氏度",
    ),
    ("the GPU {which} is {value} % busy", "GPU {which} 占用 {value} %"),
    (
        "pid {value} `{which}` has a GPU open",
        "进程 {value} `{which}` 打开了 GPU",
    ),
    // accounts and logins
    (
        "the name {account} stands twice in /etc/passwd: only the first counts, for most programs",
        "{account} 在 /etc/passwd 中出现两次：对多数程序只有第一次有效",
    ),
    (
        "the password of {account} was set {value} days ago",
        "{account} 的口令设置于 {value} 天前",
    ),
    (
        "the shell of {account} is `{shell}`, which only looks like an ordinary one",
        "{account} 的登录 shell 是 `{shell}`，只是看起来像普通 shell",
    ),
    (
        "{account} and {value} share the number {uid}: each has what the other has",
        "{account} 与 {value} 的编号同为 {uid}：权限完全相同",
    ),
    (
        "{account} belongs to {value}, whose members can become root",
        "{account} 属于 {value}，其成员可以成为 root",
    ),
    (
        "{account} is an account of the system (uid {uid}), and has a password and the shell {shell}",
        "{account} 是系统账户（uid {uid}），却有口令与登录 shell {shell}",
    ),
    (
        "{account} was changed since the copies: {value}",
        "{account} 与备份副本相比已被修改：{value}",
    ),
    (
        "{path} is no whole number of records: it was cut or written to by something else",
        "{path} 不是整数条记录：它被截断，或被其他程序写过",
    ),
    (
        "record {number} of {path} is older than the one before it: records were taken out or put in, or the clock was wrong",
        "{path} 的第 {number} 条记录早于前一条：记录被删改或插入过，或时钟有误",
    ),
    (
        "sshd has a session of {user} on {line} (pid {pid}) that utmp does not list: somebody took it out",
        "sshd 在 {line} 上有 {user} 的会话（进程 {pid}），utmp 中却没有：有人把它删去了",
    ),
    (
        "{user} is in on {line}, but wtmp has no record of that login: somebody took it out",
        "{user} 登录在 {line}，wtmp 中却没有这次登录：有人把它删去了",
    ),
    (
        "{user} got in from {from}, from where {count} tries had failed before",
        "{user} 从 {from} 登录成功，此前从那里有 {count} 次失败尝试",
    ),
    // incident times
    (
        "{path} was changed {at}, {near} the incident appeared; that alone says nothing more",
        "{path} 修改于 {at}（与事件出现时间相比：{near}）；仅此不能说明更多",
    ),
    (
        "{path} was made or renamed {at}, {near} the incident appeared; that alone says nothing more",
        "{path} 创建或改名于 {at}（与事件出现时间相比：{near}）；仅此不能说明更多",
    ),
    // verify.gone, verify.quiet
    ("pid {pid} `{comm}` still runs", "进程 {pid} `{comm}` 仍在运行"),
    (
        "pid {pid} `{comm}` runs the condemned {sha256}",
        "进程 {pid} `{comm}` 运行恶意文件 {sha256}",
    ),
    ("{path} is there", "{path} 存在"),
    ("`{line}` stands in {path}", "{path} 中有 `{line}`"),
    ("{path} starts `{command}`", "{path} 启动 `{command}`"),
    ("{owners} has a connection to {remote}", "{owners} 与 {remote} 有连接"),
    (
        "{owners} has a new connection to {remote}",
        "{owners} 与 {remote} 有新连接",
    ),
    (
        "pid {pid} `{comm}`, which no package explains, rested while the host was watched and used {cpu_ms} ms of CPU time in the {away_ms} ms in which nobody was there",
        "没有软件包来源的 pid {pid} `{comm}` 在主机被观察时空闲，而在无人登录的 {away_ms} 毫秒里用了 {cpu_ms} 毫秒 CPU 时间",
    ),
    (
        "{owners}, which no package explains and which hides, has a connection to {remote}",
        "{owners} 与 {remote} 有连接，它不属于任何软件包且有隐藏行为",
    ),
    ("{object} could not be looked at: {why}", "无法查看 {object}：{why}"),
    (
        "nothing came back: {covered_ms} of {window_ms} ms were watched",
        "未复发：共 {window_ms} 毫秒，已观察 {covered_ms} 毫秒",
    ),
    // playbooks/linux-miner.yml
    (
        "no miner here; other findings have their own procedure",
        "此处没有挖矿木马；其他发现按各自的流程处置",
    ),
    (
        "suspected, or not enough was seen; a person looks",
        "疑似，或所见不足；须由人核查",
    ),
    (
        "Too many for one miner; a person decides",
        "对象过多，不像单个挖矿木马；须由人决定",
    ),
];

#[cfg(test)]
mod tests;
