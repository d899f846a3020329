//! The rules of permissions once more, as plain lists: slow, and easy to check by reading. It shares no code
//! with the crate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

const DAY: u64 = 24 * 3600 * 1000;
const MONTH: u64 = 30 * DAY;

/// Every folder that there is.
pub(crate) const PATHS: [&str; 7] = ["/", "/a", "/a/b", "/a/b/c", "/a/bb", "/d", "/d/e"];
/// What needs lead to elsewhere.
pub(crate) const PLACES: [&str; 3] = ["/srv/out", "/a/.git", "/d/.git"];
/// The words that plain commands are made of; the first one is the program.
pub(crate) const COMMANDS: [&[&str]; 6] = [
    &["make", "all"],
    &["make", "all", "-j"],
    &["make", "all", "-j", "2"],
    &["make", "doc"],
    &["build", "all"],
    &["make"],
];
pub(crate) const NEEDS: [&str; 5] = ["git", "sockets", "listen:80", "network:a.example", "write:/srv/out"];

/// Whether a folder is another, or above it.
pub(crate) fn is_at_or_above(above: &str, path: &str) -> bool {
    above == "/" || path == above || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) task: u64,
    pub(crate) session: u64,
    pub(crate) attended: bool,
    pub(crate) path: &'static str,
}

/// Needs, and the repository that is shown with git.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    pub(crate) names: BTreeSet<&'static str>,
    pub(crate) repository: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Command {
        is_contained: bool,
        needs: Needs,
        after_network: bool,
        /// The words of each of its segments, where it is plain.
        plain: Option<Vec<&'static [&'static str]>>,
    },
    File {
        path: &'static str,
        is_read: bool,
        is_trigger: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Contained,
    Needs(Needs),
    Task(u64, Needs),
    Read(u64),
    /// Commands that begin with these words.
    Rule(&'static [&'static str], Needs),
}

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) path: &'static str,
    /// Which of the folders that had this name one after the other.
    pub(crate) generation: u64,
    pub(crate) kind: Kind,
    /// The same of what its needs lead to, and of a rule's program.
    pub(crate) generations: BTreeMap<&'static str, u64>,
    pub(crate) begun: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Unasked,
    /// A person is asked, and nothing that they allowed is near.
    Asked,
    Everything,
    Replaced,
    Expired,
    Unattended,
    Repository,
    ReplacedOutside,
    Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Task,
    Contained,
    Needs,
    Read,
    Rule(usize),
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Milliseconds by the wall clock.
    pub(crate) now: u64,
    pub(crate) grants: Vec<Grant>,
    pub(crate) asks_everything: bool,
    pub(crate) generations: BTreeMap<&'static str, u64>,
    pub(crate) denied: VecDeque<(u64, String)>,
}

impl Grant {
    /// What it allows commands of a task.
    fn needs(&self, task: u64) -> Option<&Needs> {
        match &self.kind {
            Kind::Needs(needs) => Some(needs),
            Kind::Task(of, needs) if *of == task => Some(needs),
            _ => None,
        }
    }

    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.kind, Kind::Contained | Kind::Needs(_) | Kind::Rule(..))
    }

    /// Whether it allows the same, and by the same file where it is a rule.
    fn is_like(&self, other: &Self) -> bool {
        let is_same_file = |words: &[&str]| self.generations[words[0]] == other.generations[words[0]];
        self.kind == other.kind
            && self.path == other.path
            && (!matches!(&self.kind, Kind::Rule(words, _) if !is_same_file(words)))
    }

    pub(crate) fn is_over(&self, now: u64) -> bool {
        matches!(self.kind, Kind::Needs(_)) && (now >= self.begun + MONTH || self.begun > now + 5000)
    }
}

impl Needs {
    /// Where one of them leads.
    fn place(&self, need: &str) -> Option<&'static str> {
        match need {
            "git" => self.repository,
            _ => PLACES.into_iter().find(|place| need.strip_prefix("write:") == Some(place)),
        }
    }
}

impl Wanted {
    pub(crate) fn path(&self, run: &Run) -> &'static str {
        match self {
            Self::Command { .. } => run.path,
            Self::File { path, .. } => path,
        }
    }
}

impl Model {
    pub(crate) fn generation(&self, path: &str) -> u64 {
        self.generations.get(path).copied().unwrap_or_default()
    }

    fn is_here(&self, grant: &Grant, path: &str) -> bool {
        is_at_or_above(grant.path, path) && grant.generation == self.generation(grant.path)
    }

    pub(crate) fn answer(&self, run: &Run, wanted: &Wanted) -> Answer {
        if self.asks_everything {
            return Answer::Everything;
        }
        let path = wanted.path(run);
        let in_effect: Vec<&Grant> = self
            .grants
            .iter()
            .filter(|grant| !grant.is_over(self.now) && self.is_here(grant, path))
            .collect();
        let needs = match wanted {
            Wanted::File { is_read: true, is_trigger: false, .. } => {
                let is_allowed = in_effect.iter().any(|grant| grant.kind == Kind::Read(run.session));
                return match (is_allowed, run.attended) {
                    (false, _) => Answer::Asked,
                    (true, false) => Answer::Unattended,
                    (true, true) => Answer::Unasked,
                };
            }
            Wanted::Command { is_contained: true, needs, .. } => needs,
            _ => return Answer::Asked,
        };
        if needs.names.is_empty() && in_effect.iter().any(|grant| grant.kind == Kind::Contained) {
            return Answer::Unasked;
        }
        let holding: Vec<(&Grant, &Needs)> =
            in_effect.iter().filter_map(|grant| Some((*grant, grant.needs(run.task)?))).collect();
        let has = |need: &&str| {
            holding.iter().any(|(grant, held)| {
                held.names.contains(need) && self.leads_to_the_same(grant, held, need, needs)
            })
        };
        let by_needs = !holding.is_empty() && needs.names.iter().all(has);
        let by_rules = match wanted {
            Wanted::Command { plain: Some(segments), .. } => self.by_rules(&in_effect, segments, needs),
            _ => Err(Answer::Asked),
        };
        match (by_needs, by_rules) {
            (true, _) | (_, Ok(())) if run.attended => Answer::Unasked,
            (true, _) | (_, Ok(())) => Answer::Unattended,
            (false, Err(near)) => match self.why(run, path, needs) {
                Answer::Asked => near,
                why => why,
            },
        }
    }

    /// Whether a need leads where it led when it was allowed.
    fn leads_to_the_same(&self, grant: &Grant, held: &Needs, need: &str, wanted: &Needs) -> bool {
        held.place(need) == wanted.place(need)
            && wanted.place(need).is_none_or(|place| grant.generations[place] == self.generation(place))
    }

    /// Each segment has a rule, of its program as it was, with all that the command needs.
    fn by_rules(
        &self,
        in_effect: &[&Grant],
        segments: &[&'static [&str]],
        needs: &Needs,
    ) -> Result<(), Answer> {
        for segment in segments {
            let mut near = Err(Answer::Asked);
            for grant in in_effect {
                let Kind::Rule(words, held) = &grant.kind else { continue };
                if !segment.starts_with(words) {
                    continue;
                }
                let is_exact = segments.iter().all(|other| !other.starts_with(words) || other == words);
                let allows = |need: &&str| {
                    is_exact && held.names.contains(need) && self.leads_to_the_same(grant, held, need, needs)
                };
                let is_same = grant.generations[words[0]] == self.generation(words[0]);
                match is_same && needs.names.iter().all(allows) {
                    true => near = Ok(()),
                    false if near.is_err() => near = Err(Answer::Rule),
                    false => {}
                }
            }
            near?;
        }
        Ok(())
    }

    /// Why a command is asked: the first reason that holds.
    fn why(&self, run: &Run, path: &str, needs: &Needs) -> Answer {
        let about: Vec<&Grant> = self
            .grants
            .iter()
            .filter(|grant| match &grant.kind {
                Kind::Contained => needs.names.is_empty(),
                Kind::Needs(held) => needs.names.is_empty() || !held.names.is_disjoint(&needs.names),
                Kind::Task(..) | Kind::Read(_) | Kind::Rule(..) => false,
            })
            .filter(|grant| is_at_or_above(grant.path, path))
            .collect();
        let is_current = |grant: &&Grant| grant.generation == self.generation(grant.path);
        let is_of_another = |grant: &&Grant| {
            let held = match &grant.kind {
                Kind::Needs(held) => held,
                _ => return false,
            };
            held.names.contains("git") && held.repository != needs.repository
        };
        let is_moved = |grant: &Grant| {
            let Some(held) = grant.needs(run.task) else { return false };
            needs.names.intersection(&held.names).any(|need| {
                held.place(need) == needs.place(need) && !self.leads_to_the_same(grant, held, need, needs)
            })
        };
        if about.iter().any(|grant| !grant.is_over(self.now) && !is_current(grant)) {
            Answer::Replaced
        } else if about.iter().any(|grant| grant.is_over(self.now) && is_current(grant)) {
            Answer::Expired
        } else if self.grants.iter().any(|grant| self.is_here(grant, path) && is_moved(grant)) {
            Answer::ReplacedOutside
        } else if needs.names.contains("git")
            && about.iter().any(|grant| is_current(grant) && is_of_another(grant))
        {
            Answer::Repository
        } else {
            Answer::Asked
        }
    }

    pub(crate) fn offers(&self, run: &Run, wanted: &Wanted) -> Vec<Offer> {
        match wanted {
            _ if self.asks_everything => Vec::new(),
            Wanted::File { is_read: true, is_trigger: false, .. } if run.attended => vec![Offer::Read],
            Wanted::Command { is_contained: true, needs, plain, .. } if needs.names.is_empty() => {
                let mut offers = vec![Offer::Contained];
                if let (true, Some([words])) = (run.attended, plain.as_deref()) {
                    offers.extend((words.len() >= 2).then_some(Offer::Rule(2)));
                    offers.extend((words.len() > 2).then_some(Offer::Rule(words.len())));
                }
                offers
            }
            Wanted::Command { is_contained: true, after_network: false, plain, .. } if run.attended => {
                let mut offers = vec![Offer::Task, Offer::Needs];
                if let Some([words]) = plain.as_deref() {
                    offers.extend((words.len() >= 2).then_some(Offer::Rule(words.len())));
                }
                offers
            }
            _ => Vec::new(),
        }
    }

    /// Of a rule, the person also chooses how many words it has.
    pub(crate) fn is_given(&self, run: &Run, wanted: &Wanted, offer: Offer) -> bool {
        let offers = self.offers(run, wanted);
        let longest = offers.iter().filter_map(|offer| match offer {
            Offer::Rule(words) => Some(*words),
            _ => None,
        });
        match offer {
            Offer::Rule(words) if offers.contains(&Offer::Rule(2)) => words <= longest.max().unwrap_or(0),
            _ => offers.contains(&offer),
        }
    }

    pub(crate) fn granted(&self, run: &Run, wanted: &Wanted, offer: Offer, id: &str) -> Grant {
        let needs = match wanted {
            Wanted::Command { needs, .. } => needs.clone(),
            Wanted::File { .. } => Needs::default(),
        };
        let kind = match offer {
            Offer::Task => Kind::Task(run.task, needs),
            Offer::Contained => Kind::Contained,
            Offer::Needs => Kind::Needs(needs),
            Offer::Read => Kind::Read(run.session),
            Offer::Rule(length) => match wanted {
                Wanted::Command { plain: Some(segments), .. } => Kind::Rule(&segments[0][..length], needs),
                _ => unreachable!("nothing else offers a rule"),
            },
        };
        let path = wanted.path(run);
        let named = PLACES.into_iter().chain(COMMANDS.iter().map(|words| words[0]));
        let generations = named.map(|name| (name, self.generation(name))).collect();
        Grant {
            id: id.to_owned(),
            path,
            generation: self.generation(path),
            kind,
            generations,
            begun: self.now,
        }
    }

    /// That which allows the same in the folder of this name.
    pub(crate) fn alike(&self, grant: &Grant) -> Option<&Grant> {
        self.grants.iter().find(|known| known.is_like(grant))
    }

    /// One replaces its like.
    pub(crate) fn give(&mut self, grant: Grant) {
        self.forget();
        self.grants.retain(|known| !known.is_like(&grant));
        self.grants.push(grant);
    }

    /// Forgets what ended a month ago: whenever something is given, and also where that is overtaken.
    pub(crate) fn forget(&mut self) {
        let now = self.now;
        self.grants.retain(|known| !matches!(known.kind, Kind::Needs(_)) || now <= known.begun + 2 * MONTH);
    }

    pub(crate) fn deny(&mut self, task: u64, digest: &str) {
        self.denied.push_back((task, digest.to_owned()));
        if self.denied.len() > 200 {
            self.denied.pop_front();
        }
    }

    /// Another folder comes to a name; those below it are others, too.
    pub(crate) fn replace_folder(&mut self, path: &'static str, by: u64) {
        for below in PATHS.into_iter().filter(|below| is_at_or_above(path, below)) {
            self.generations.insert(below, by);
        }
    }

    /// Another folder, or another program, comes to a name elsewhere.
    pub(crate) fn replace_elsewhere(&mut self, name: &'static str, by: u64) {
        self.generations.insert(name, by);
    }
}
