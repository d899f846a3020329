import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { FakeShell } from '../../src/fake/shell';
import { said } from '../../src/fake/transcripts';
import { type OpenOptions, type OpenWindow, Windows, requestsOf, settled } from './window';

let windows: Windows;
beforeAll(async () => {
  windows = await Windows.start();
});
afterAll(() => windows?.stop());

const inWindow = (options: OpenOptions, path: (opened: OpenWindow) => Promise<void>) =>
  windows.during(options, path);

describe('chat', () => {
  const input = (opened: OpenWindow) => opened.page.getByLabel('Message to the agent');

  test('a message is sent with Enter, and its answer streams in and stays', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async (opened) => {
      const { page } = opened;
      await page.getByText('chart datum').waitFor();
      await input(opened).fill('first line');
      await input(opened).press('Shift+Enter');
      await input(opened).pressSequentially('second line');
      // Looked for from the beginning: they are there for a moment.
      const streaming = Promise.all([
        page.getByTestId('streaming').getByText('You wrote').waitFor(),
        page.getByRole('button', { name: 'Stop' }).waitFor(),
      ]);
      await input(opened).press('Enter');
      expect(await input(opened).inputValue()).toBe('');
      await streaming;
      await page.getByRole('list').getByText('so that the stream can be seen.').waitFor();
      await page.getByTestId('streaming').waitFor({ state: 'detached' });
      const sent = await requestsOf(page, 'chat.send');
      expect(sent).toHaveLength(1);
      expect(sent[0]?.params).toMatchObject({
        sessionKey: 'agent:main:chat-7b1d',
        message: 'first line\nsecond line',
      });
      expect(await page.getByRole('list').getByText('second line').count()).toBe(2);
    }));

  test('the folder of a chat is named, and its button only opens the chooser', () =>
    inWindow({ page: 'chat' }, async (opened) => {
      const { page } = opened;
      const button = page.getByRole('button', { name: 'Folder of this chat: harbour' });
      await button.click();
      await settled(page);
      expect(await button.getAttribute('title')).toBe('/home/ada/projects/harbour');
      expect((await requestsOf(page, 'tidegate.dialog.open')).map((one) => one.params)).toEqual([
        { kind: 'workspace', key: 'agent:main:main' },
      ]);
      expect(await requestsOf(page, 'tidegate.sessions.workspace')).toHaveLength(0);
      await page.evaluate(() => (location.hash = '#/chat/agent%3Amain%3Achat-7b1d'));
      await page.getByRole('button', { name: 'Folder of this chat: Default folder' }).waitFor();
    }));

  test('an answer is stopped', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async (opened) => {
      const { page } = opened;
      await input(opened).fill('[slow] tell me everything');
      await input(opened).press('Enter');
      await page.getByTestId('streaming').waitFor();
      await page.getByRole('button', { name: 'Stop' }).click();
      await page.getByTestId('streaming').waitFor({ state: 'detached' });
      expect(await requestsOf(page, 'chat.abort')).toHaveLength(1);
    }));

  test('a message that is refused stays, and is sent again under the same key', () =>
    inWindow({ page: 'chat' }, async (opened) => {
      const { page } = opened;
      await input(opened).fill('[refuse] hello');
      await input(opened).press('Enter');
      await page.getByText('Not sent. Too many runs wait; try again.').waitFor();
      await page.getByRole('button', { name: 'Send again' }).click();
      await page.waitForFunction(
        () =>
          (window as unknown as { __fake: FakeShell }).__fake.requests.filter(
            (one) => one.method === 'chat.send',
          ).length === 2,
      );
      const [first, second] = await requestsOf(page, 'chat.send');
      expect(second?.params['idempotencyKey']).toBe(first?.params['idempotencyKey']);
      await page.getByRole('alert').getByRole('button', { name: 'Discard' }).click();
      await page.getByText('[refuse] hello').waitFor({ state: 'detached' });
    }));

  test('a run that fails says why once, and can be tried again, also later', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async (opened) => {
      const { page } = opened;
      await input(opened).fill('[fail] please');
      await input(opened).press('Enter');
      await page.getByRole('button', { name: 'Try again' }).waitFor();
      await settled(page);
      expect(await page.locator('.column').getByText('The model server answered 500.').count()).toBe(1);
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await page.evaluate(() => (location.hash = '#/chat/agent%3Amain%3Achat-7b1d'));
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.waitForFunction(
        () =>
          (window as unknown as { __fake: FakeShell }).__fake.requests.filter(
            (one) => one.method === 'chat.send',
          ).length === 2,
      );
      await page.getByRole('button', { name: 'Try again' }).waitFor();
      await settled(page);
      expect(await page.locator('ol.items').getByText('[fail] please').count()).toBe(1);
      expect(await page.locator('.column').getByText('The model server answered 500.').count()).toBe(1);
    }));

  test('a failure that the transcript does not have is reported as well', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async (opened) => {
      const { page } = opened;
      await input(opened).fill('[fail] [lost] please');
      await input(opened).press('Enter');
      await page.getByRole('alert').getByText('the model server answered 500').waitFor();
      await page.getByRole('alert').getByRole('button', { name: 'Try again' }).waitFor();
    }));

  test('what is paused is shown beside the field, as one sentence', () =>
    inWindow({ page: 'chat', scenario: 'long', viewport: { width: 1280, height: 760 } }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.world.status.paused = true;
        shell.emit('tidegate.changed', {});
      });
      const notice = page.getByText('Agents are paused.');
      await notice.waitFor();
      expect((await notice.innerText()).replace(/\s+/g, ' ').trim()).toBe(
        'Agents are paused. What you send waits until you resume them on the overview.',
      );
      const { notice: seen, line } = await notice.evaluate((element) => {
        const notice = element.getBoundingClientRect();
        return { notice: { top: notice.top, bottom: notice.bottom }, line: notice.height };
      });
      expect(seen.top).toBeGreaterThan(0);
      expect(seen.bottom).toBeLessThanOrEqual(760);
      expect(line).toBeLessThan(30);
    }));

  test('the end stays in sight when the window gets another size', () =>
    inWindow({ page: 'chat', scenario: 'long', viewport: { width: 1040, height: 720 } }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      const distance = () =>
        page
          .locator('.scroller')
          .evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
      for (const [width, height] of [
        [600, 720],
        [1040, 500],
        [700, 400],
        [1040, 720],
      ] as const) {
        await page.setViewportSize({ width, height });
        await settled(page);
        expect(await distance()).toBeLessThan(2);
      }
      // One who reads back is offered the way to the end.
      await page.locator('.scroller').evaluate((element) => element.scrollBy({ top: -400 }));
      await page.getByRole('button', { name: 'To the newest message' }).waitFor();
      await page.setViewportSize({ width: 600, height: 720 });
      await settled(page);
      expect(await distance()).toBeGreaterThan(48);
      await page.getByRole('button', { name: 'To the newest message' }).waitFor();
    }));

  test('a click beside the field or on this very chat leaves the keyboard in the field', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async (opened) => {
      const { page } = opened;
      await page.getByText('chart datum').waitFor();
      const focused = () => page.evaluate(() => document.activeElement?.id);
      await input(opened).focus();
      await page.getByText('Enter sends, Shift+Enter').click();
      expect(await focused()).toBe('message');
      await page.locator('aside a[aria-current]').click();
      await settled(page);
      expect(await focused()).toBe('message');
    }));

  test('a call that waits for a decision says so', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async ({ page }) => {
      await page.getByText('chart datum').waitFor();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        const key = 'agent:main:chat-7b1d';
        const session = shell.world.sessions.find((one) => one.key === key);
        const running = { ...session, status: 'running', lastRunId: 'run-x' };
        shell.emit('sessions.changed', { sessionKey: key, runId: 'run-x', session: running });
        const waiting = shell.world.waiting.commands[0];
        if (waiting) Object.assign(waiting.request, { runId: 'run-x', sessionKey: key });
        shell.emit('tidegate.changed', {});
        shell.emit('session.message', {
          sessionKey: key,
          message: {
            role: 'assistant',
            content: [{ type: 'toolCall', id: 'call-x', name: 'exec', arguments: { command: 'make all' } }],
            __openclaw: { id: 'mx', seq: 9, runId: 'run-x' },
          },
        });
      });
      const tool = page.locator('summary', { hasText: 'make all' });
      await tool.getByText('Waiting for you').waitFor();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.emit('session.message', {
          sessionKey: 'agent:main:chat-7b1d',
          message: {
            role: 'toolResult',
            toolCallId: 'call-x',
            toolName: 'exec',
            isError: true,
            details: { outcome: 'denied' },
            content: [{ type: 'text', text: 'it was not allowed: a person refused this command' }],
            __openclaw: { id: 'my', seq: 10, runId: 'run-x' },
          },
        });
      });
      await tool.getByText('Denied by you').waitFor();
    }));

  test('a new chat begins empty, under a key of its own, and appears in the list', () =>
    inWindow({ page: 'chat' }, async (opened) => {
      const { page } = opened;
      await page.getByRole('button', { name: 'New chat' }).click();
      await page.getByText('What should the agent do?').waitFor();
      await input(opened).fill('a fresh start');
      await input(opened).press('Enter');
      await page.getByRole('list', { name: 'Chats' }).getByText('a fresh start').waitFor();
      const [sent] = await requestsOf(page, 'chat.send');
      expect(sent?.params['sessionKey']).toMatch(/^agent:main:chat-[0-9a-f]{8}$/);
    }));

  test('what is written and not sent is still there after a look elsewhere', () =>
    inWindow({ page: 'chat' }, async (opened) => {
      const { page } = opened;
      await input(opened).fill('half a thought');
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('link', { name: 'Chat', exact: true }).click();
      expect(await input(opened).inputValue()).toBe('half a thought');
    }));

  test('a command that runs is interrupted, and one that has ended is not', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async ({ page }) => {
      await page.getByText('chart datum').waitFor();
      expect(await page.getByRole('button', { name: 'Interrupt' }).count()).toBe(0);
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        const key = 'agent:main:chat-7b1d';
        const session = shell.world.sessions.find((one) => one.key === key);
        const running = { ...session, status: 'running', lastRunId: 'run-x' };
        shell.emit('sessions.changed', { sessionKey: key, runId: 'run-x', session: running });
        shell.emit('session.message', {
          sessionKey: key,
          message: {
            role: 'assistant',
            content: [{ type: 'toolCall', id: 'call-x', name: 'exec', arguments: { command: 'make' } }],
            __openclaw: { id: 'mx', seq: 9, runId: 'run-x' },
          },
        });
      });
      await page.getByRole('button', { name: 'Interrupt' }).click();
      await page.waitForFunction(() =>
        (window as unknown as { __fake: FakeShell }).__fake.requests.some(
          (request) => request.method === 'tidegate.commands.interrupt',
        ),
      );
      const [sent] = await requestsOf(page, 'tidegate.commands.interrupt');
      expect(sent?.params).toEqual({ toolCallId: 'call-x', runId: 'run-x' });
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.emit('session.tool', {
          sessionKey: 'agent:main:chat-7b1d',
          data: { phase: 'result', toolCallId: 'call-x', isError: true, result: { content: [] } },
        });
      });
      await page.getByRole('button', { name: 'Interrupt' }).waitFor({ state: 'detached' });
    }));

  test('tool calls and the results of subagents are folded, and unfold', () =>
    inWindow({ page: 'chat' }, async ({ page }) => {
      const tool = page.locator('summary', { hasText: 'docs/missing.md' });
      await tool.getByText('Failed').waitFor();
      expect(await page.getByText('There is no file docs/missing.md').count()).toBe(0);
      await tool.click();
      await page.getByText('There is no file docs/missing.md').waitFor();
      await page.locator('summary', { hasText: 'Subagent check the links' }).click();
      await page.getByText('All 14 links work; one redirects:').waitFor();
      expect(await page.getByText('untrusted-data').count()).toBe(0);
    }));

  test('a command that a subagent wants to run opens the dialog from here', () =>
    inWindow({ page: 'chat' }, async ({ page }) => {
      await page.getByText('A command of the subagent “release notes” waits for your decision').waitFor();
      await page.getByRole('button', { name: 'Review…' }).click();
      await page.waitForFunction(() =>
        (window as unknown as { __fake: FakeShell }).__fake.requests.some(
          (one) => one.method === 'tidegate.dialog.open',
        ),
      );
      expect((await requestsOf(page, 'tidegate.dialog.open'))[0]?.params).toEqual({
        kind: 'review',
        id: '493bb3df-fd38-4b55-a870-4dd1802a2a34',
      });
    }));

  test('without a model it says so', () =>
    inWindow({ page: 'chat', scenario: 'fresh' }, async ({ page }) => {
      await page.getByText('No model yet.').waitFor();
    }));

  test('thousands of messages are drawn in part, and scrolling back keeps its place', () =>
    inWindow({ page: 'chat', scenario: 'long' }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      // Not every engine keeps the place by itself.
      await page
        .locator('.scroller')
        .evaluate((element) => element.style.setProperty('overflow-anchor', 'none'));
      const drawn = () => page.locator('ol.items > li').count();
      expect(await drawn()).toBe(60);
      await page.getByRole('button', { name: 'Show earlier messages' }).click();
      await page.waitForFunction(() => document.querySelectorAll('ol.items > li').length > 60);
      for (let at = 0; at < 4; at += 1) {
        await page.getByRole('button', { name: 'Show earlier messages' }).click();
        await settled(page);
      }
      expect(await drawn()).toBeGreaterThan(150);
      // Not at the end any more: what comes now does not move what is being read.
      const before = await page.locator('.scroller').evaluate((element) => element.scrollTop);
      await page.getByLabel('Message to the agent').focus();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        const message = {
          role: 'assistant',
          content: [{ type: 'text', text: 'News from below.' }],
          __openclaw: { id: 'm4001', seq: 4001, runId: 'other' },
        };
        shell.emit('session.message', { sessionKey: 'agent:main:main', message });
      });
      await page.getByLabel('Messages').getByText('News from below.').waitFor({ state: 'attached' });
      const after = await page.locator('.scroller').evaluate((element) => element.scrollTop);
      expect(Math.abs(after - before)).toBeLessThan(2);
      await page.getByRole('button', { name: 'To the newest message' }).click();
      await page.waitForFunction(() => {
        const element = document.querySelector('.scroller');
        return element && element.scrollHeight - element.scrollTop - element.clientHeight < 10;
      });
    }));

  test.each(['auto', 'none'])(
    'earlier messages come on demand, and what is read stays where it is: %s',
    (engine) =>
      inWindow({ page: 'chat', scenario: 'long' }, async ({ page }) => {
        await page.getByText('Answer 4000.').waitFor();
        const scroller = page.locator('.scroller');
        // Not every engine keeps the place by itself, as `auto` does.
        await scroller.evaluate(
          (element, value) => element.style.setProperty('overflow-anchor', value),
          engine,
        );
        const asked = async () =>
          (await requestsOf(page, 'chat.history')).map(({ params }) => params['offset']);
        const earlier = page.getByRole('button', { name: 'Show earlier messages' });
        for (let at = 0; at < 6; at += 1) {
          await scroller.evaluate((element) => element.scrollTo({ top: 0 }));
          const seen = await page.locator('ol.items > li').first().elementHandle();
          const place = async () => (await seen?.boundingBox())?.y ?? Infinity;
          const before = await place();
          const drawn = await page.locator('ol.items > li').count();
          await earlier.click();
          await page.waitForFunction(
            (count) => document.querySelectorAll('ol.items > li').length > count,
            drawn,
          );
          await settled(page);
          expect(Math.abs((await place()) - before)).toBeLessThan(2);
        }
        expect(await asked()).toEqual([undefined, 100, 200, 300]);
      }),
  );

  test('a conversation is read to its beginning, and its newest messages are asked for again alone', () =>
    inWindow({ page: 'chat', scenario: 'long' }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      await page.evaluate(() => {
        const { world } = (window as unknown as { __fake: FakeShell }).__fake;
        const all = world.transcripts.get('agent:main:main') ?? [];
        all.splice(0, all.length - 130);
        for (const [at, message] of all.entries()) message.__openclaw = { id: `n${at}`, seq: at + 1 };
      });
      await page.evaluate(() => (location.hash = '#/chat/new'));
      await page.getByRole('heading', { name: 'New chat' }).waitFor();
      await page.evaluate(() => (location.hash = '#/chat/agent%3Amain%3Amain'));
      await page.getByText('Answer 4000.').waitFor();
      const earlier = page.getByRole('button', { name: 'Show earlier messages' });
      while (await earlier.isVisible()) {
        await earlier.click();
        await settled(page);
      }
      expect(await page.locator('ol.items > li').count()).toBe(130);
      expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Messages');
      await page
        .locator('body p[role=status]')
        .getByText('Earlier messages are shown.')
        .waitFor({ state: 'attached' });
      await page.evaluate(() =>
        (window as unknown as { __fake: FakeShell }).__fake.drop('The gateway stopped.'),
      );
      await page.getByText('Your draft is kept.').waitFor();
      await page.getByText('Enter sends').waitFor();
      await settled(page);
      const last = (await requestsOf(page, 'chat.history')).at(-1);
      expect(last?.params['offset']).toBeUndefined();
      expect(await page.locator('ol.items > li').count()).toBe(130);
      expect(await earlier.isVisible()).toBe(false);
    }));

  test('what was said while the gateway was away leaves no hole', () =>
    inWindow({ page: 'chat', scenario: 'long' }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      const more = Array.from({ length: 150 }, (_, at) =>
        said(4001 + at, 'user', `Question ${4001 + at}:`, 0),
      );
      await page.evaluate((messages) => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.drop('The gateway stopped.', true);
        shell.world.transcripts.get('agent:main:main')?.push(...messages);
        shell.comeBack();
      }, more);
      await page.getByText('Question 4150:').waitFor();
      const earlier = page.getByRole('button', { name: 'Show earlier messages' });
      const numbers = async () =>
        (await page.locator('ol.items > li').allInnerTexts()).map((text) =>
          Number(/(?:Question|Answer) (\d+)/.exec(text)?.[1]),
        );
      while (((await numbers())[0] ?? 0) > 3950) {
        await earlier.click();
        await settled(page);
      }
      const shown = await numbers();
      expect(shown).toEqual(shown.map((_, at) => (shown[0] ?? 0) + at));
      expect(shown.at(-1)).toBe(4150);
    }));

  test('a conversation that was reset meanwhile is read again', () =>
    inWindow({ page: 'chat', scenario: 'long' }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      const earlier = page.getByRole('button', { name: 'Show earlier messages' });
      await earlier.click();
      await settled(page);
      await page.evaluate(
        (messages) => {
          const { world } = (window as unknown as { __fake: FakeShell }).__fake;
          for (const session of world.sessions) session.sessionId = 'after the reset';
          world.transcripts.set('agent:main:main', messages);
        },
        [said(1, 'user', 'Start again.', 0)],
      );
      await earlier.click();
      await page.locator('ol.items').getByText('Start again.').waitFor();
      expect(await page.locator('ol.items > li').count()).toBe(1);
    }));

  test('where earlier messages cannot be read, it says why and lets one try again', () =>
    inWindow({ page: 'chat', scenario: 'long' }, async ({ page }) => {
      await page.getByText('Answer 4000.').waitFor();
      const earlier = page.getByRole('button', { name: 'Show earlier messages' });
      await earlier.click();
      await settled(page);
      await page.evaluate(() => {
        const { world } = (window as unknown as { __fake: FakeShell }).__fake;
        world.scenario = 'failing';
      });
      await earlier.click();
      await page.getByRole('alert').getByText('the disk is full').waitFor();
      await page.evaluate(() => {
        const { world } = (window as unknown as { __fake: FakeShell }).__fake;
        world.scenario = 'long';
      });
      const drawn = await page.locator('ol.items > li').count();
      await earlier.click();
      await page.waitForFunction((count) => document.querySelectorAll('ol.items > li').length > count, drawn);
      expect(await page.getByRole('alert').count()).toBe(0);
    }));

  test('a screen reader hears that an answer begins, and the answer when it is whole', () =>
    inWindow({ page: 'chat/agent%3Amain%3Achat-7b1d' }, async (opened) => {
      const { page } = opened;
      await input(opened).fill('short');
      const status = page.locator('body p[role=status]');
      // Looked for from the beginning: it is there for a moment.
      const begins = status.getByText('The agent answers.').waitFor({ state: 'attached' });
      await input(opened).press('Enter');
      await begins;
      await status.getByText('Agent: You wrote: *short*').waitFor({ state: 'attached' });
    }));
});
