/** Sessions as a tree of who started whom. Pure. */

import type { SessionEntry } from '../generated/protocol';

export interface TreeRow {
  session: SessionEntry;
  /** 1 for a root. */
  level: number;
  /** The position among its siblings, from 1, and how many there are. */
  position: number;
  siblings: number;
  children: number;
  isOpen: boolean;
  /** Runs at work in it and below it. */
  working: number;
}

/**
 * The rows of the tree that can be seen, in order. Sessions whose parent is not known, or that
 * name each other as parents, are roots.
 */
export function treeRows(sessions: readonly SessionEntry[], closed: ReadonlySet<string>): TreeRow[] {
  const byKey = new Map(sessions.map((session) => [session.key, session]));
  const children = new Map<string | null, SessionEntry[]>();
  for (const session of sessions) {
    const parent = parentOf(session, byKey);
    children.set(parent, [...(children.get(parent) ?? []), session]);
  }
  const rows: TreeRow[] = [];
  const working = (session: SessionEntry): number =>
    (session.status === 'running' ? 1 : 0) +
    (children.get(session.key) ?? []).reduce((sum, child) => sum + working(child), 0);
  const visit = (list: SessionEntry[], level: number) => {
    for (const [at, session] of list.entries()) {
      const below = children.get(session.key) ?? [];
      const isOpen = below.length > 0 && !closed.has(session.key);
      rows.push({
        session,
        level,
        position: at + 1,
        siblings: list.length,
        children: below.length,
        isOpen,
        working: working(session),
      });
      if (isOpen) visit(below, level + 1);
    }
  };
  visit(children.get(null) ?? [], 1);
  return rows;
}

function parentOf(session: SessionEntry, byKey: ReadonlyMap<string, SessionEntry>): string | null {
  const parent = session.parentSessionKey;
  if (!parent || !byKey.has(parent)) return null;
  const seen = new Set<string>([session.key]);
  for (let at: string | null | undefined = parent; at; at = byKey.get(at)?.parentSessionKey) {
    if (seen.has(at)) return null;
    seen.add(at);
  }
  return parent;
}
