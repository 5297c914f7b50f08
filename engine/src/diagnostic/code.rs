//! The rules that a playbook can break, each with its number and one line of meaning.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// A rule, by its stable number. Of an inventory: I01. Of a playbook: P00 shape, P01 modules and parameters, P02 references, P03 power and order,
        /// P04 variables, P05 files beside the playbook and included ones, P06
        /// answers to questions, P07 environments. Of a file of tests: T01.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All, by number.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The number as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// Whether what it points at may be a secret, and is not shown.
            pub(crate) fn hides(self) -> bool {
                matches!(self, Code::SecretDefault | Code::SecretSource)
            }

            /// One line of meaning.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    InventoryYaml = "I0101", "The text is no YAML that an inventory may be written in.";
    InventoryKey = "I0102", "A key is not of an inventory at this place.";
    InventoryKind = "I0103", "A value is of another kind than an inventory has here: text, number, list or map.";
    InventoryTwice = "I0104", "A host, a group or a key is there twice.";
    InventoryName = "I0105", "A name, an address, a user or a path could be read as something else.";
    InventoryRange = "I0106", "A range of hosts cannot be counted out.";
    InventoryMember = "I0107", "A group names a host or a group that is not there.";
    InventoryCycle = "I0108", "A group is part of itself.";
    InventoryValue = "I0109", "A setting has a value that it does not take.";
    InventoryLine = "I0110", "A line of an Ansible inventory cannot be read.";
    InventorySize = "I0111", "An inventory is larger than it may be.";
    InventoryFile = "I0112", "A file of an inventory cannot be read, or is none.";
    InventoryProgram = "I0113", "A program that tells an inventory failed.";
    SameAddress = "I0114", "Two hosts are reached at the same address and port.";
    Yaml = "P0001", "The text is no YAML that a playbook may be written in.";
    UnknownKey = "P0002", "A key is not of the language at this place.";
    MissingKey = "P0003", "A key that must be there is not.";
    WrongKind = "P0004", "A value is of another kind than the language has here: text, number, list or map.";
    DuplicateKey = "P0005", "A key stands twice in one map.";
    StepBody = "P0006", "A step does exactly one of `use`, `let`, `stop`, `assert` and `include`.";
    DuplicateId = "P0007", "Two steps have the same id.";
    BadName = "P0008", "A name is no name: letters, digits and `_`, not beginning with a digit.";
    UnknownPhase = "P0009", "The phases are gather, decide, locate, backup, eradicate and verify.";
    OutOfRange = "P0010", "A number is outside its range.";
    RepeatPlace = "P0011", "Only `eradicate` repeats.";
    KeyNotHere = "P0012", "A key does not go with what this step does.";
    Braces = "P0013", "Braces stand where they do not belong, or stand without quotes.";
    Empty = "P0014", "There is nothing where something must be.";
    TooLong = "P0015", "A text is longer than a playbook may have it.";
    OnErrorWord = "P0016", "`on_error` is `fail`, `continue` or a list of steps.";
    PhaseOrder = "P0017", "The phases stand in another order than they run in.";
    UnknownModule = "P0102", "No module has this name.";
    UnknownParameter = "P0103", "The module has no parameter of this name.";
    MissingParameter = "P0104", "A parameter that the module must be given is not there.";
    ParameterKind = "P0105", "A parameter is of another kind than the module takes.";
    ParameterValue = "P0106", "A parameter has a value that the module does not take.";
    ParameterReference = "P0107", "A parameter refers to something of another kind than the module takes.";
    ExpressionSyntax = "P0201", "An expression cannot be read.";
    UnknownRoot = "P0202", "A name is none of vars, steps, host, run, item, index and round.";
    UnknownStep = "P0203", "No step has this id.";
    StepLater = "P0204", "A step is referred to before it ran.";
    StepItself = "P0205", "A step refers to itself.";
    UnknownCall = "P0206", "An expression calls something that cannot be called.";
    UnknownFilter = "P0207", "No filter or test has this name.";
    UnknownVariable = "P0208", "No variable has this name.";
    OutsideForeach = "P0209", "`item` and `index` are only inside `foreach`.";
    OutsideEradicate = "P0210", "`round` is only inside `eradicate`.";
    MaybeSkipped = "P0211", "A step that may have been skipped is referred to without a guard.";
    NotBoolean = "P0212", "A condition is not a boolean.";
    NotList = "P0213", "What is gone through with `foreach` is not a list.";
    NoField = "P0214", "What is referred to has no field of this name.";
    Statement = "P0215", "A text holds a statement; only `{{ }}` is of the language.";
    NotAValue = "P0216", "A text holds a list or a map, which have no plain written form.";
    NeverEqual = "P0217", "A value is compared with a word that it never is.";
    OperandKind = "P0218", "A filter, a test or an operator is given a value of a kind that it does not take.";
    Arguments = "P0219", "A filter or a test is given arguments that it does not take.";
    EffectAbovePhase = "P0301", "A module can do more than its phase may.";
    WrongPhase = "P0302", "A module is not made for this phase.";
    NotInPlan = "P0303", "A proposal rests on something that is not known while the plan is made.";
    FeedsOnlyUntil = "P0304", "What is looked at after a strike feeds only `until` and `assert`.";
    StopInside = "P0305", "A `stop` without `when` is not the last step.";
    RefreshUnknown = "P0306", "`refresh` names no step that can be taken anew.";
    RefreshNotReading = "P0307", "`refresh` names a step that proposes.";
    UntilReadsNothing = "P0308", "`until` reads nothing that a round could change.";
    UntilNotLooking = "P0309", "`until` repeats only a step that looks, and over its own result.";
    OnErrorProposal = "P0310", "A step that proposes has no `on_error`: a plan with a hole is none.";
    OnErrorStep = "P0311", "What runs in the place of a failed step looks, judges, asks, computes or ends.";
    RefreshAsks = "P0312", "`refresh` names a step that asks a person.";
    AskParameter = "P0313", "A question's answers, or the way it is asked, do not fit.";
    VerifyOfRefreshed = "P0314", "What is looked for after a strike is taken anew by `refresh`.";
    NeedsLeave = "P0320", "A module does what needs a leave that was not given.";
    WordOfHost = "P0321", "A value of a host stands where only the playbook's own words may.";
    SecretUse = "P0322", "A secret is given to a step that reaches a host, proposes or asks.";
    UnknownType = "P0401", "No type of variables has this name.";
    VariableValue = "P0402", "A value does not fit the variable's type.";
    NotDeclared = "P0403", "A variable is set that the playbook does not declare.";
    NotSet = "P0404", "A variable has neither a default nor a value.";
    SecretDefault = "P0405", "A secret stands in the playbook.";
    ResourceMissing = "P0501", "A file beside the playbook cannot be read.";
    ResourcePath = "P0502", "A file beside the playbook is not named by a plain path below it.";
    IncludedPlaybook = "P0503", "A file that is included is a playbook of its own.";
    IncludeCycle = "P0504", "A file includes itself.";
    IncludeTooMuch = "P0505", "Files are included too deeply, or there are too many of them or their steps.";
    ResourceWrong = "P0506", "A file beside the playbook is not what its module reads.";
    NoQuestion = "P0601", "An answer is given to a question that is not asked.";
    NoSuchAnswer = "P0602", "An answer is none of the question's words.";
    NotForPlaybook = "P0701", "An environment is not for this playbook.";
    Disable = "P0702", "An environment disables a step that cannot be left out.";
    Merge = "P0703", "A merge does not fit its variable, or what it goes over.";
    Policy = "P0704", "A policy cannot be read, or contradicts itself.";
    SecretSource = "P0705", "A secret stands in the open, or is not named by where it comes from.";
    SecretClosed = "P0706", "A secret cannot be had from where it comes from.";
    EnvironmentName = "P0707", "An environment is called otherwise than its file.";
    TestValue = "T0101", "A file of tests says something that it cannot say there.";
    HostFile = "T0102", "A file describes a host that cannot be.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_ordered() {
        let numbers: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted);
    }
}
