/** Opens the built window in Chromium, served with the content security policy of the shell. */

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';
import { expect } from 'vitest';

import type { FakeShell } from '../../src/fake/shell';
import type { Scenario } from '../../src/fake/world';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const BUILT = here('../../.browser-test/');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const PROBE = `
  try { window.__evaluated = new Function('return true')(); } catch { window.__evaluated = 'refused'; }
`;

/** The policy that the shell serves the window with. */
export async function contentSecurityPolicy(): Promise<string> {
  const config: unknown = JSON.parse(await readFile(here('../../../tauri.conf.json'), 'utf8'));
  return (config as { app: { security: { csp: string } } }).app.security.csp;
}

export interface OpenOptions {
  scenario?: Scenario;
  page?: string;
  colorScheme?: 'light' | 'dark';
  viewport?: { width: number; height: number };
  /** 2 shows what a zoom of 200% shows. */
  scale?: number;
  /** What the clock shows, and keeps showing. */
  now?: Date;
}

export interface OpenWindow {
  page: Page;
  /** What the browser complained of: violations of the policy, errors of scripts. */
  problems: string[];
  /** Addresses that were asked for beside the window's own files. */
  foreign: string[];
  close(): Promise<void>;
}

export class Windows {
  private constructor(
    private readonly browser: Browser,
    private readonly server: Server,
    readonly address: string,
    private readonly fake: string,
  ) {}

  static async start(): Promise<Windows> {
    const policy = await contentSecurityPolicy();
    const server = createServer((request, response) => {
      // A script of the window's own origin, for what only such a one could do.
      if (request.url === '/probe.js') {
        response.writeHead(200, { 'content-type': 'text/javascript' }).end(PROBE);
        return;
      }
      const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
      const file = join(BUILT, 'dist', path === '/' ? 'index.html' : path);
      readFile(file).then(
        (body) => {
          response.writeHead(200, {
            'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
            'content-security-policy': policy,
          });
          response.end(body);
        },
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--hide-scrollbars',
      ],
    });
    const fake = await readFile(`${BUILT}fake/fake.js`, 'utf8');
    return new Windows(browser, server, `http://127.0.0.1:${port}`, fake);
  }

  async open(options: OpenOptions = {}): Promise<OpenWindow> {
    const context: BrowserContext = await this.browser.newContext({
      viewport: options.viewport ?? { width: 1000, height: 760 },
      deviceScaleFactor: options.scale ?? 1,
      colorScheme: options.colorScheme ?? 'light',
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: this.address });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    // The same moment in every run, so that pictures differ only where the window does.
    await page.clock.setFixedTime(options.now ?? new Date('2026-03-12T10:30:00Z'));
    const problems: string[] = [];
    const foreign: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(this.address)) foreign.push(request.url());
    });
    const scenario = options.scenario ?? 'usual';
    await page.addInitScript(`window.__scenario = ${JSON.stringify(scenario)}; ${this.fake};
      // As the shell does, so that no script can change what all objects inherit.
      Object.freeze(Object.prototype);`);
    await page.goto(`${this.address}/#/${options.page ?? 'overview'}`);
    await page.locator('main h1').first().waitFor();
    return { page, problems, foreign, close: () => context.close() };
  }

  /** Opens a window for one test; at its end the browser must have had nothing to complain of. */
  async during(options: OpenOptions, path: (opened: OpenWindow) => Promise<void>): Promise<void> {
    const opened = await this.open(options);
    try {
      await path(opened);
      expect(opened.problems).toEqual([]);
      expect(opened.foreign).toEqual([]);
    } finally {
      await opened.close();
    }
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await new Promise((done) => this.server.close(done));
  }
}

/** What the window asked of the gateway so far. */
export async function requestsOf(page: Page, method?: string): Promise<FakeShell['requests']> {
  const all = await page.evaluate(() => (window as unknown as { __fake: FakeShell }).__fake.requests);
  return method === undefined ? all : all.filter((request) => request.method === method);
}

/** Turns to another page of the same window. */
export async function turnTo(page: Page, name: string): Promise<void> {
  await page.evaluate((hash) => (location.hash = hash), `#/${name}`);
  await page.waitForFunction(
    (title) => document.title.toLowerCase().includes(title),
    name.split('/')[0] ?? name,
  );
  await settled(page);
}

/** Waits until nothing more is being asked and drawn: the page has changed nothing for a while by its own timers,
 * which the answers of the fake gateway come by, too. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(
    () =>
      new Promise<void>((done) => {
        const quiet = () => {
          observer.disconnect();
          done();
        };
        let timer = setTimeout(quiet, 200);
        const observer = new MutationObserver(() => {
          clearTimeout(timer);
          timer = setTimeout(quiet, 200);
        });
        observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
      }),
  );
}
