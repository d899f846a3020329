//! Ten ordinary tasks of an afternoon, by script: what the person writes, and what the model does.

use serde_json::{Value, json};
use tidegate_testkit::model_server::{Answer, Rule, Script, Step, When};

use crate::task::{Task, after, calls, exec, exec_call, steps};

/// The port on which the server of one task listens, inside its sandbox.
pub const PORT: u16 = 8765;

/// The ten tasks, in their order.
pub const TASKS: [Task; 10] = [
    Task { message: "What does the big file end with?", done: "It ends with the last line.", commands: 0 },
    Task { message: "Change the second greeting.", done: "The second greeting is changed.", commands: 0 },
    Task { message: "What is in this folder?", done: "Three files.", commands: 0 },
    Task { message: "Which word is most frequent?", done: "The most frequent word is counted.", commands: 1 },
    Task { message: "Write a script and run it twice.", done: "It ran twice.", commands: 2 },
    Task { message: "Run the slow build.", done: "The build is finished.", commands: 1 },
    Task { message: "Does the page load?", done: "The page loads.", commands: 1 },
    Task { message: "Check both at once.", done: "Both are checked.", commands: 2 },
    Task { message: "Let three subagents look into it.", done: "All three are back.", commands: 2 },
    Task { message: "Commit what changed.", done: "It is committed.", commands: 1 },
];

/// What the tasks find in their folder.
pub const GREETINGS: &str = "hello world\nand\nhello world again\n";
/// How many lines the big file has before its last one.
pub const LONG_LINES: usize = 4000;

/// Lines that are more than one page of `read`.
#[must_use]
pub fn big_file() -> String {
    let line = |number| format!("{number} the quick brown fox jumps over the lazy dog\n");
    (0..LONG_LINES).map(line).chain(["the last line\n".to_owned()]).collect()
}

/// The model of the afternoon.
#[must_use]
pub fn script() -> Script {
    let [big, edit, list, pipe, write, slow, serve, both, children, commit] = TASKS;
    let mut rules = Vec::new();
    rules.extend(steps(
        &big,
        [
            calls([("read", json!({ "path": "big.txt" }))]),
            calls([("read", json!({ "path": "big.txt", "offset": LONG_LINES + 1 }))]),
        ],
    ));
    let edited = |old: &str, new: &str| {
        calls([("edit", json!({ "path": "greetings.txt", "oldText": old, "newText": new }))])
    };
    rules.extend(steps(
        &edit,
        [edited("hello world", "good evening"), edited("hello world again", "good evening again")],
    ));
    rules.extend(steps(&list, [calls([("ls", json!({ "path": "." }))])]));
    rules.extend(steps(&pipe, [exec("tr ' ' '\\n' < big.txt | sort | uniq -c | sort -rn | head -3")]));
    let script = json!({ "path": "twice.sh", "content": "echo run >> runs.txt\nwc -l < runs.txt\n" });
    rules.extend(steps(&write, [calls([("write", script)]), exec("sh twice.sh"), exec("sh twice.sh")]));
    rules.extend(steps(&slow, [exec("for step in 1 2 3; do echo step $step; sleep 1; done")]));
    let server = format!(
        "python3 -m http.server {PORT} --bind 127.0.0.1 >/dev/null 2>&1 & server=$!
         python3 -c \"
import time, urllib.request
for attempt in range(200):
    try:
        print(urllib.request.urlopen('http://127.0.0.1:{PORT}/greetings.txt').read().decode())
        break
    except OSError:
        time.sleep(0.05)
\"
         kill $server"
    );
    rules.extend(steps(&serve, [exec(&server)]));
    let two = [exec_call("grep -c fox big.txt"), exec_call("wc -c greetings.txt")];
    rules.extend(steps(&both, [calls(two)]));
    rules.extend(subagents(&children));
    let committed = json!({
        "command": "git add -A && git commit -qm 'What changed' && git log --oneline",
        "needs": ["git"],
        "reason": "You asked me to commit.",
    });
    rules.extend(steps(&commit, [calls([("exec", committed)])]));
    Script::new(rules)
}

/// A task with a download and a write outside the folder.
pub const NEEDS: Task =
    Task { message: "Fetch the data and file a report.", done: "Fetched and filed.", commands: 2 };

/// The model that does it.
#[must_use]
pub fn two_needs(download: &Value, write: &Value) -> Script {
    let answers = [calls([("exec", download.clone())]), calls([("exec", write.clone())])];
    Script::new(steps(&NEEDS, answers))
}

/// Three children, of which two run a command each.
fn subagents(task: &Task) -> Vec<Rule> {
    let parts = ["counting", "looking", "thinking"];
    let spawn = |part: &str| {
        Step::tool_call(
            &format!("spawn-{part}"),
            "sessions_spawn",
            json!({ "task": format!("Part {part} of it"), "label": part }),
        )
    };
    let result = |part: &str| format!("result of {part}");
    let finished =
        When { conversation_contains: parts.iter().map(|part| result(part)).collect(), ..When::default() };
    let mut rules = vec![
        Rule::new(finished, Answer::text(task.done)),
        Rule::new(after(task, 0), Answer::tool_calls(parts.map(spawn).to_vec())),
        Rule::new(after(task, parts.len()), Answer::text("Three subagents are at work.")),
    ];
    for (part, command) in [("counting", "wc -l big.txt"), ("looking", "head -1 greetings.txt")] {
        let when = |results| When {
            conversation_contains: vec![format!("Part {part} of it")],
            tool_results: Some(results),
            ..When::default()
        };
        rules.push(Rule::new(when(0), Answer::tool_calls(exec(command))));
        rules.push(Rule::new(when(1), Answer::text(&result(part))));
    }
    let thinking = When::last_contains("Part thinking of it");
    rules.push(Rule::new(thinking, Answer::text(&result("thinking"))));
    rules
}
