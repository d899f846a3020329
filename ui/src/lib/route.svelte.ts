/** Which page is shown, from the address after `#`. */

export const PAGES = ['overview', 'requests', 'permissions', 'devices', 'chat', 'activity'] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  page: PageName;
  /** What the page shows of it: a session's key in the chat. */
  detail: string;
}

export function parseRoute(hash: string): Route {
  const [, name = '', rest = ''] = /^#\/([a-z]*)\/?(.*)$/s.exec(hash) ?? [];
  const page = PAGES.find((known) => known === name) ?? 'overview';
  let detail = '';
  try {
    detail = decodeURIComponent(rest);
  } catch {
    // A broken address names nothing.
  }
  return { page, detail };
}

export function routeTo(page: PageName, detail = ''): string {
  return detail ? `#/${page}/${encodeURIComponent(detail)}` : `#/${page}`;
}

class CurrentRoute {
  value = $state.raw<Route>(parseRoute(location.hash));

  constructor() {
    addEventListener('hashchange', () => (this.value = parseRoute(location.hash)));
  }
}

export const route = new CurrentRoute();
