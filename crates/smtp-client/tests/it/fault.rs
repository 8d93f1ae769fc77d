//! Faults: everything that a server can do wrong, at every point of a session.
use smtp_client::{Step, session::Dialect};

use crate::stage::opening;

/// How the message travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) dialect: Dialect,
    pub(crate) pipelined: bool,
    pub(crate) tls: bool,
}

/// The replies at which something can go wrong, and the text.
pub(crate) const POINTS: [Step; 7] =
    [Step::Greeting, Step::Hello, Step::Mail, Step::Rcpt, Step::Data, Step::Text, Step::EndOfText];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Close,
    Abort,
    Reset,
    ShutDown,
    Garbage,
    EmptyLine,
    EndlessLine,
    EndlessReply,
    DifferingCodes,
    ExtraReply,
    WrongCode,
    CutReply,
    CutLine,
    Silence,
}

pub(crate) const FAULTS: [Fault; 14] = [
    Fault::Close,
    Fault::Abort,
    Fault::Reset,
    Fault::ShutDown,
    Fault::Garbage,
    Fault::EmptyLine,
    Fault::EndlessLine,
    Fault::EndlessReply,
    Fault::DifferingCodes,
    Fault::ExtraReply,
    Fault::WrongCode,
    Fault::CutReply,
    Fault::CutLine,
    Fault::Silence,
];

/// The right answer at this point.
fn good(point: Step) -> u16 {
    match point {
        Step::Greeting => 220,
        Step::Data => 354,
        _ => 250,
    }
}

/// A code that is positive, and yet wrong at this point.
fn wrong(point: Step) -> u16 {
    match point {
        Step::Greeting | Step::Data | Step::Text => 250,
        Step::Hello => 251,
        _ => 354,
    }
}

impl Fault {
    /// The lines of the script that bring it about at this point.
    fn lines(self, point: Step) -> String {
        let right = good(point);
        let other = if right == 250 { 550 } else { 250 };
        match self {
            Self::Close => "[close]".into(),
            Self::Abort => "[abort]".into(),
            // What is under way when a connection is reset is lost: let it arrive.
            Self::Reset => "[delay 1s]\n[reset]".into(),
            Self::ShutDown => "[raw \"421 4.3.2 closing\\r\\n\"]".into(),
            Self::Garbage => "[raw \"what?\\r\\n\"]".into(),
            Self::EmptyLine => "[raw \"\\r\\n\"]".into(),
            Self::EndlessLine => format!("[raw \"{right} {}\"]", "x".repeat(60_000)),
            Self::EndlessReply => format!("[raw \"{}\"]", format!("{right}-x\\r\\n").repeat(5000)),
            Self::DifferingCodes => {
                format!("[raw \"{right}-fine\\r\\n\"]\n[raw \"{other} no\\r\\n\"]")
            }
            Self::ExtraReply if point == Step::Text => "[raw \"250 early\\r\\n\"]".into(),
            Self::ExtraReply => format!("[raw \"{right} ok\\r\\n250 extra\\r\\n\"]"),
            Self::WrongCode => format!("[raw \"{} hm\\r\\n\"]", wrong(point)),
            Self::CutReply => format!("[raw \"{right}-first\\r\\n\"]\n[close]"),
            Self::CutLine => format!("[raw \"{right} queued\\r\"]\n[close]"),
            Self::Silence => "[stall]".into(),
        }
    }
}

/// The lines of a session that goes well up to this point, where the fault happens. Each reply is
/// marked with its step.
pub(crate) fn script(way: Way, point: Step, fault: Fault) -> String {
    let lines = good_session(way);
    let at = match point {
        Step::Text => lines.iter().position(|(_, line)| line == "[text]"),
        _ => lines.iter().position(|(step, _)| *step == Some(point)),
    };
    let at = at.unwrap();
    let mut script: Vec<String> = lines[..at].iter().map(|(_, line)| line.clone()).collect();
    script.push(fault.lines(point));
    // The other pending replies still follow a surplus one.
    if fault == Fault::ExtraReply && (way.pipelined || point == Step::EndOfText) {
        let replies = lines[at + 1..].iter().take_while(|(step, _)| step.is_some());
        script.extend(replies.map(|(_, line)| line.clone()));
    }
    script.join("\n")
}

fn good_session(way: Way) -> Vec<(Option<Step>, String)> {
    let reply = |step| (Some(step), format!("S: {} ok", good(step)));
    let mut lines = Vec::new();
    if way.tls {
        lines.push((None, "[tls]".to_owned()));
    }
    lines.push(reply(Step::Greeting));
    let hello = opening(way.dialect, &[]);
    lines.push((None, hello.lines().nth(1).unwrap().to_owned()));
    let keyword = if way.pipelined { "PIPELINING" } else { "HELP" };
    lines.push((Some(Step::Hello), format!("S: 250-mx.example\nS: 250 {keyword}")));
    let commands = [
        ("MAIL FROM:<a@example.org>", Step::Mail),
        ("RCPT TO:<b@example.org>", Step::Rcpt),
        ("RCPT TO:<c@example.org>", Step::Rcpt),
        ("DATA", Step::Data),
    ];
    if way.pipelined {
        lines.extend(commands.map(|(line, _)| (None, format!("C| {line}"))));
        lines.extend(commands.map(|(_, step)| reply(step)));
    } else {
        lines.extend(
            commands.iter().flat_map(|&(line, step)| [(None, format!("C: {line}")), reply(step)]),
        );
    }
    lines.push((None, "[text]".to_owned()));
    let replies = if way.dialect == Dialect::Smtp { 1 } else { 2 };
    lines.extend((0..replies).map(|_| reply(Step::EndOfText)));
    lines
}
