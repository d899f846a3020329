//! Where a dialog stands beside the window that the person works in, so that it hides nothing of what it is about.

/// Between a window and its dialog, in pixels.
const GAP: i32 = 12;

/// A rectangle on the screen, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub left: i32,
    pub top: i32,
    pub width: i32,
    pub height: i32,
}

impl Area {
    fn right(self) -> i32 {
        self.left.saturating_add(self.width)
    }

    fn bottom(self) -> i32 {
        self.top.saturating_add(self.height)
    }

    /// How many pixels two areas share.
    fn shared(self, other: Self) -> i64 {
        let width = self.right().min(other.right()).saturating_sub(self.left.max(other.left)).max(0);
        let height = self.bottom().min(other.bottom()).saturating_sub(self.top.max(other.top)).max(0);
        i64::from(width) * i64::from(height)
    }
}

/// Left and top of a dialog of this size beside `window`: to the right, left, below or above, where `screen` has room
/// for it, else in the corner of the screen where it hides least of the window.
#[must_use]
pub fn beside(size: (i32, i32), window: Area, screen: Area) -> (i32, i32) {
    let (width, height) = size;
    let last_left = screen.right().saturating_sub(width).max(screen.left);
    let last_top = screen.bottom().saturating_sub(height).max(screen.top);
    let left = window.left.clamp(screen.left, last_left);
    let top = window.top.clamp(screen.top, last_top);
    let right_of = window.right().saturating_add(GAP);
    let left_of = window.left.saturating_sub(GAP).saturating_sub(width);
    let below = window.bottom().saturating_add(GAP);
    let above = window.top.saturating_sub(GAP).saturating_sub(height);
    let corners =
        [(last_left, last_top), (last_left, screen.top), (screen.left, last_top), (screen.left, screen.top)];
    let is_free = |at: &(i32, i32)| {
        (screen.left..=last_left).contains(&at.0) && (screen.top..=last_top).contains(&at.1)
    };
    let beside = [(right_of, top), (left_of, top), (left, below), (left, above)];
    if let Some(free) = beside.into_iter().find(is_free) {
        return free;
    }
    let hides = |&(left, top): &(i32, i32)| Area { left, top, width, height }.shared(window);
    corners.into_iter().min_by_key(hides).unwrap_or((left, top))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Area = Area { left: 0, top: 30, width: 1920, height: 1050 };
    const SIZE: (i32, i32) = (640, 500);

    fn window(left: i32, top: i32, width: i32, height: i32) -> Area {
        Area { left, top, width, height }
    }

    #[test]
    fn it_stands_beside_the_window_where_there_is_room() {
        let right = beside(SIZE, window(100, 100, 1040, 720), SCREEN);
        let left = beside(SIZE, window(800, 100, 1040, 720), SCREEN);
        let below = beside(SIZE, window(100, 40, 1700, 500), SCREEN);
        let above = beside(SIZE, window(100, 560, 1700, 500), SCREEN);

        assert_eq!(right, (1152, 100));
        assert_eq!(left, (148, 100));
        assert_eq!(below, (100, 552));
        assert_eq!(above, (100, 48));
    }

    #[test]
    fn without_room_it_stands_in_the_corner_that_hides_least() {
        assert_eq!(beside(SIZE, SCREEN, SCREEN), (1280, 580));
        assert_eq!(beside(SIZE, window(500, 300, 1420, 780), SCREEN), (0, 30));
    }

    #[test]
    fn it_never_leaves_the_screen() {
        for window in [window(-500, -300, 900, 700), window(1800, 900, 1040, 720), window(0, 0, 4000, 4000)] {
            let (left, top) = beside(SIZE, window, SCREEN);
            assert!((0..=1280).contains(&left) && (30..=580).contains(&top), "{left}, {top}");
        }
        assert_eq!(beside((3000, 2000), window(10, 40, 500, 500), SCREEN), (0, 30), "its buttons come last");
    }
}
