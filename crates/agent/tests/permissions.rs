//! What a question of a run says of its task and of who watches: it decides which permissions are used.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{call, run, text, world};
use serde_json::json;
use tidegate_trust::permissions::Attendance;

#[tokio::test(start_paused = true)]
async fn a_child_asks_in_its_parents_task_and_a_wake_in_one_that_nobody_watches() {
    let world = world(|ask| {
        let asks = vec![call("1", "probe", &json!({"do": "ask"}))];
        if ask.is_subagent() || !ask.runtime().is_empty() {
            return if ask.last_is_result() { vec![text("done")] } else { asks };
        }
        match ask.results().len() {
            0 => asks,
            1 => vec![call("2", "sessions_spawn", &json!({"task": "t"}))],
            _ => vec![text("waiting")],
        }
    });
    world.runtime.start_turn(world.turn("r1", "go")).await.expect("accepted");
    world.person.asked.notified().await;
    world.person.allow.notify_one();
    world.person.asked.notified().await;
    world.ended(&run("r1")).await;
    world.person.allow.notify_one();
    world.person.asked.notified().await;
    world.person.allow.notify_one();
    world.advance(Duration::from_secs(60)).await;

    let questions = world.person.questions.lock().expect("lock");
    let contexts: Vec<_> = questions.iter().map(|question| &question.context).collect();
    let [first, child, wake] = contexts[..] else { unreachable!("{contexts:?}") };
    assert_eq!((first.task.as_str(), first.attendance), ("r1", Attendance::Attended));
    assert_eq!((child.task.as_str(), child.attendance), ("r1", Attendance::Attended));
    assert_ne!(questions[1].run, run("r1"), "a run of its own");
    assert_ne!(wake.task, "r1", "what was given for the task ended with it");
    assert_eq!(wake.attendance, Attendance::Unattended);
}
