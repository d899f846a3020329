import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { FakeShell } from '../../src/fake/shell';
import { type OpenOptions, type OpenWindow, Windows, requestsOf, settled } from './window';

let windows: Windows;
beforeAll(async () => {
  windows = await Windows.start();
});
afterAll(() => windows?.stop());

const inWindow = (options: OpenOptions, path: (opened: OpenWindow) => Promise<void>) =>
  windows.during(options, path);

describe('the page Permissions', () => {
  test('each permission says what it allows, where, and when it ends', () =>
    inWindow({ page: 'permissions' }, async ({ page }) => {
      const folders = page.getByRole('region', { name: 'Folders in which agents run contained commands' });
      await folders.getByText('without asking, until you revoke this.').waitFor();
      const needs = page.getByRole('region', { name: 'What commands may need, for 30 days' });
      await needs.getByText('24 days left').waitFor();
      expect(await needs.getByRole('listitem').allTextContents()).toEqual([
        'git',
        'network:packages.example.org',
      ]);
      await page.getByRole('article', { name: 'npm run test …' }).getByText('/usr/bin/npm').waitFor();
      const read = page.getByRole('region', { name: 'Reading for one session' });
      await read.getByRole('link', { name: 'Main' }).waitFor();
      expect(await page.getByRole('button', { name: /approve|allow|grant/i }).count()).toBe(0);
    }));

  test('a permission is revoked after a question that names what happens', () =>
    inWindow({ page: 'permissions' }, async ({ page }) => {
      const folder = page.getByRole('region', { name: 'Folders in which agents run contained commands' });
      await folder.getByRole('button', { name: 'Revoke /home/ana/projects/harbour' }).click();
      const question = page.getByRole('dialog', { name: 'Revoke this permission?' });
      await question.getByText('Commands that run because of it end at once').waitFor();
      await page.keyboard.press('Enter');
      await question.waitFor({ state: 'hidden' });
      expect(await requestsOf(page, 'tidegate.permissions.revoke')).toEqual([]);

      await folder.getByRole('button').click();
      await question.getByRole('button', { name: 'Revoke' }).click();
      await page.getByText('1 command that it had allowed was ended.').waitFor();
      await folder.waitFor({ state: 'detached' });
      expect((await requestsOf(page, 'tidegate.permissions.revoke')).map((one) => one.params)).toEqual([
        { id: '0b54a1de-3a7c-4d0e-9c3f-6f1f9f5b7a01' },
      ]);
    }));

  test('reading, by which no command runs, is revoked at once', () =>
    inWindow({ page: 'permissions' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Revoke /home/ana/notes' }).click();
      await page.getByText('Revoked. You are asked the next time.').waitFor();
      expect(await requestsOf(page, 'tidegate.permissions.revoke')).toHaveLength(1);
    }));

  test('asking for everything begins at once, and only the dialog ends it', () =>
    inWindow({ page: 'permissions' }, async ({ page }) => {
      const everything = page.getByRole('switch', { name: 'Ask for everything' });
      expect(await everything.getAttribute('aria-checked')).toBe('false');
      await everything.focus();
      await page.keyboard.press('Space');
      await page.getByText('You are asked about everything from now on.').waitFor();
      await page.locator('[role=switch][aria-checked=true]').waitFor();
      await everything.click();
      await page.getByText("Tidegate's own dialog asks whether to use permissions again.").waitFor();
      expect(await everything.getAttribute('aria-checked')).toBe('true');
      expect(await requestsOf(page, 'tidegate.permissions.use')).toHaveLength(1);
    }));

  test('what ran without asking is listed, the newest first, with its chat', () =>
    inWindow({ page: 'permissions' }, async ({ page }) => {
      const list = page.getByRole('list', { name: 'What ran without asking you' });
      await list.waitFor();
      const rows = await list.getByRole('listitem').allInnerTexts();
      expect(rows).toHaveLength(4);
      expect(rows[0]).toMatch(/npm run theme\s+Main\s+3 minutes ago/);
      await page.getByText('37 commands and files since Tidegate started; the newest 4 are shown.').waitFor();
    }));

  test('what runs while the page is open appears by itself', () =>
    inWindow({ page: 'permissions', scenario: 'fresh' }, async ({ page }) => {
      await page.getByText('Nothing since Tidegate started.').waitFor();
      await settled(page);
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.world.permissions.unasked = [
          { atMs: Date.now(), sessionKey: 'agent:main:main', title: 'make', digest: '', permissions: [] },
        ];
        shell.world.permissions.unaskedCount = 1;
        shell.emit('tick', { ts: Date.now() });
      });
      await page.getByText('1 command or file since Tidegate started.').waitFor();
      await page.getByRole('listitem').getByText('make').waitFor();
    }));

  test('hostile names show what they are', () =>
    inWindow({ page: 'permissions', scenario: 'hostile' }, async ({ page }) => {
      await page.getByText('<img src=x onerror=').first().waitFor();
      expect(await page.evaluate(() => '__harm' in window)).toBe(false);
      expect(await page.locator('main').textContent()).not.toContain('\u202e');
    }));
});

describe('a command that waits in its chat', () => {
  const chat: OpenOptions = { page: 'chat/agent%3Amain%3Amain' };

  test('shows whose it is, the reason and what can be allowed, and allows nothing', () =>
    inWindow(chat, async ({ page }) => {
      const card = page.getByRole('article', { name: 'waits for your decision' });
      await card.getByText('of the subagent “release notes”').waitFor();
      await card.getByText('The agent says: “the release notes are kept there”').waitFor();
      const offers = card.getByRole('list', { name: 'What you can allow' });
      expect(await offers.getByRole('listitem').count()).toBe(2);
      expect(await card.getByRole('button').allTextContents()).toEqual([
        'Review…',
        'Deny',
        'Deny with words…',
      ]);
    }));

  test('is denied with words, and its run stopped', () =>
    inWindow(chat, async ({ page }) => {
      const card = page.getByRole('article', { name: 'waits for your decision' });
      await card.getByRole('button', { name: 'Deny with words…' }).click();
      await page.keyboard.type('Only the last ten.');
      await card.getByLabel('Also stop the run that asked').check();
      await card.getByLabel('What the agent reads').press('Enter');
      await card.waitFor({ state: 'detached' });
      const verdict = { decision: 'deny', words: 'Only the last ten.', stop: true };
      expect(
        (await requestsOf(page, 'tidegate.approvals.decide')).map(({ params }) => params['verdict']),
      ).toEqual([verdict]);
    }));

  test('Escape leaves the words, and the keyboard stays where it was', () =>
    inWindow(chat, async ({ page }) => {
      const card = page.getByRole('article', { name: 'waits for your decision' });
      await card.getByRole('button', { name: 'Deny with words…' }).click();
      await page.keyboard.press('Escape');
      await card.getByRole('button', { name: 'Deny', exact: true }).waitFor();
      await page.waitForFunction(() => document.activeElement?.textContent?.includes('Deny with words'));
      expect(await requestsOf(page, 'tidegate.approvals.decide')).toEqual([]);
    }));
});

test('a tool call that nobody was asked about says by which permission', () =>
  inWindow({ page: 'chat/agent%3Amain%3Amain' }, async ({ page }) => {
    await page.getByText('Not asked: you allowed contained commands in this folder.').waitFor();
  }));
