//! What an approval is narrowed to: which rights, for how long, and to whom.

use std::rc::Rc;

use gtk::prelude::*;
use tidegate_desktop_core::dialog::{DurationOption, Extent, ExtentOption, GrantOptions, Selection};

use super::super::arming::Arming;
use super::super::widgets::{self, GAP, NEAR};
use super::rights::Rights;

/// The choices of one request.
pub(super) struct Grant {
    section: gtk::Box,
    rights: Rights,
    extents: Vec<(ExtentOption, gtk::RadioButton)>,
    pairing: Option<gtk::CheckButton>,
    durations: Vec<(DurationOption, gtk::RadioButton)>,
    durations_row: gtk::Box,
    own_token: Option<gtk::CheckButton>,
    nothing_left: gtk::Box,
}

impl Grant {
    pub(super) fn new(options: &GrantOptions, rights: Rights, arming: &Rc<Arming>) -> Rc<Self> {
        let labels: Vec<_> = options.extents.iter().map(|option| option.label).collect();
        let extents = options.extents.iter().cloned().zip(widgets::radios(&labels)).collect();
        let labels: Vec<_> = options.durations.iter().map(|option| option.label).collect();
        let durations = options.durations.iter().cloned().zip(widgets::radios(&labels)).collect();
        let grant = Rc::new(Self {
            section: widgets::column(GAP),
            rights,
            extents,
            pairing: options.can_pair.then(|| widgets::check("It may manage pairing", false)),
            durations,
            durations_row: gtk::Box::new(gtk::Orientation::Horizontal, widgets::WIDE),
            own_token: options
                .can_have_token
                .then(|| widgets::check("Make a new token for this program instead", false)),
            nothing_left: widgets::caution("Nothing is ticked. Leave something, or refuse it."),
        });
        grant.draw();
        grant.connect(arming);
        grant
    }

    /// What is drawn.
    pub(super) fn section(&self) -> &gtk::Box {
        &self.section
    }

    /// What is chosen now.
    pub(super) fn selection(&self) -> Selection {
        let is_on = |check: &Option<gtk::CheckButton>| check.as_ref().is_some_and(|check| check.is_active());
        let extent = self.extent();
        let chosen = self.durations.iter().find(|(_, radio)| radio.is_active());
        Selection {
            extent,
            scopes: if extent == Extent::Asked { self.rights.narrowed() } else { None },
            pairing: extent != Extent::Asked && is_on(&self.pairing),
            duration: chosen.map_or(Selection::default().duration, |(option, _)| option.duration),
            own_token: is_on(&self.own_token),
        }
    }

    fn extent(&self) -> Extent {
        let chosen = self.extents.iter().find(|(_, radio)| radio.is_active());
        chosen.map_or(Extent::Asked, |(option, _)| option.extent)
    }

    fn draw(&self) {
        self.nothing_left.set_no_show_all(true);
        self.section.pack_start(&self.nothing_left, false, false, 0);
        if !self.extents.is_empty() {
            let group = group("Give it", self.extents.iter().map(|(_, radio)| radio), widgets::column(2));
            if let Some(pairing) = &self.pairing {
                pairing.set_margin_start(widgets::WIDE + NEAR);
                widgets::describe(pairing, "It may manage pairing", "Only with a level");
                group.pack_start(pairing, false, false, 0);
            }
            self.section.pack_start(&group, false, false, 0);
        }
        if !self.durations.is_empty() {
            let radios = self.durations.iter().map(|(_, radio)| radio);
            let group = group("For how long", radios, self.durations_row.clone());
            self.section.pack_start(&group, false, false, 0);
        }
        if let Some(own_token) = &self.own_token {
            let group = widgets::column(2);
            group.pack_start(own_token, false, false, 0);
            let hint = widgets::secondary(
                "The reliable way to recognize it. You give it the token, which lasts until you revoke it.",
            );
            hint.set_margin_start(widgets::WIDE + NEAR);
            group.pack_start(&hint, false, false, 0);
            self.section.pack_start(&group, false, false, 0);
        }
    }

    fn connect(self: &Rc<Self>, arming: &Rc<Arming>) {
        let changed = {
            // Weakly, or the controls would keep each other.
            let (grant, arming) = (Rc::downgrade(self), Rc::downgrade(arming));
            move || {
                if let (Some(grant), Some(arming)) = (grant.upgrade(), arming.upgrade()) {
                    grant.refresh(&arming);
                }
            }
        };
        self.rights.connect_changed(changed.clone());
        for (_, radio) in &self.extents {
            let changed = changed.clone();
            radio.connect_toggled(move |_| changed());
        }
        if let Some(own_token) = &self.own_token {
            own_token.connect_toggled(move |_| changed());
        }
        self.refresh(arming);
    }

    fn refresh(&self, arming: &Arming) {
        let is_asked = self.extent() == Extent::Asked;
        self.rights.set_sensitive(is_asked);
        if let Some(pairing) = &self.pairing {
            pairing.set_sensitive(!is_asked);
        }
        let is_token = self.own_token.as_ref().is_some_and(|check| check.is_active());
        self.durations_row.set_sensitive(!is_token);
        let is_nothing_left = is_asked && self.rights.is_nothing_left();
        if is_nothing_left {
            self.nothing_left.set_no_show_all(false);
            self.nothing_left.show_all();
        } else {
            self.nothing_left.hide();
        }
        arming.set_complete(!is_nothing_left);
    }
}

/// A group of radio buttons below its title.
fn group<'a>(title: &str, radios: impl Iterator<Item = &'a gtk::RadioButton>, inside: gtk::Box) -> gtk::Box {
    let group = widgets::column(NEAR);
    group.pack_start(&widgets::group_title(title), false, false, 0);
    for radio in radios {
        inside.pack_start(radio, false, false, 0);
    }
    widgets::describe(&inside, title, "");
    if let Some(accessible) = inside.accessible() {
        accessible.set_role(gtk::atk::Role::Panel);
    }
    group.pack_start(&inside, false, false, 0);
    group
}
