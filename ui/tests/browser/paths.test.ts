import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { FakeShell } from '../../src/fake/shell';
import { pending } from '../../src/fake/waiting';
import { type OpenOptions, type OpenWindow, Windows, requestsOf, settled } from './window';

let windows: Windows;
beforeAll(async () => {
  windows = await Windows.start();
});
afterAll(() => windows?.stop());

const inWindow = (options: OpenOptions, path: (opened: OpenWindow) => Promise<void>) =>
  windows.during(options, path);

describe('files that were set aside', () => {
  test('one is shown under the call that planted it, kept in the dialog alone, and discarded for good', () =>
    inWindow({ page: 'chat/agent%3Amain%3Amain' }, async ({ page }) => {
      const card = page.getByRole('article', { name: 'A command planted a file, and it was set aside.' });
      await card.getByText('vendor/theme/.git/hooks/post-checkout would run').waitFor();
      await card.getByText('What is in it').click();
      await card.getByText('npm run build --silent').waitFor();
      await card.getByRole('button', { name: 'Keep…' }).click();
      await card.getByText("Tidegate's own dialog shows it.").waitFor();
      expect((await requestsOf(page, 'tidegate.files.keep')).map((one) => one.params)).toEqual([
        { id: '70d530917ef3318c' },
      ]);

      const discard = card.getByRole('button', { name: 'Discard…' });
      await discard.dblclick();
      const question = page.getByRole('dialog', { name: 'Discard this file for good?' });
      await question.getByText('Once it is discarded, it cannot be brought back.').waitFor();
      await question.getByRole('button', { name: 'Cancel' }).click();
      expect(await requestsOf(page, 'tidegate.files.discard')).toEqual([]);
      await discard.click();
      await question.getByRole('button', { name: 'Discard' }).click();
      await card.waitFor({ state: 'detached' });
      expect(await requestsOf(page, 'tidegate.files.discard')).toHaveLength(1);
    }));

  test('all of them are among the requests, and hostile names show what they are', () =>
    inWindow({ page: 'requests' }, async ({ page }) => {
      await page.getByRole('heading', { name: 'Files that were set aside' }).waitFor();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        const first = shell.world.files[0];
        if (first) first.file.path = 'a\u202e\u200b<b>x</b>/.envrc';
        shell.emit('tidegate.changed', {});
      });
      await page.getByText('<b>x</b>/.envrc').waitFor();
      const shown = await page.getByRole('article').last().textContent();
      expect(shown).not.toContain('\u202e');
      expect(shown).not.toContain('\u200b');
    }));
});

describe('requests', () => {
  test('the log shows an alarm, and leaves out that our own client connected', () =>
    inWindow({ page: 'requests' }, async ({ page }) => {
      await page.getByText("Somebody else used the key of Tidegate's own client: refused").waitFor();
      await page.getByText('Command allowed once').waitFor();
      expect(await page.getByText("Tidegate's own client connected").count()).toBe(0);
    }));

  test('Review opens the dialog by the id; nothing on the page lets anyone in', () =>
    inWindow({ page: 'requests' }, async ({ page }) => {
      await page.getByText('A known device asks for more than it has.').waitFor();
      await page.getByText('New: Full control').first().waitFor();
      await page.getByText('5f1c29aa').waitFor();
      expect(await page.getByRole('button', { name: /approve|allow|grant/i }).count()).toBe(0);
      await page.getByRole('button', { name: 'Review…' }).first().click();
      await page.getByText('You decide there.').waitFor();
      expect((await requestsOf(page, 'tidegate.dialog.open')).map((one) => one.params)).toEqual([
        { kind: 'review', id: '5f1c29aa-6f0e-4a57-9f3a-2a3c4be0d7e1' },
      ]);
    }));

  test('Reject and Deny take effect at once, and the count follows', () =>
    inWindow({ page: 'requests' }, async ({ page }) => {
      await page.getByRole('link', { name: 'Requests 2 wait' }).waitFor();
      await page.getByRole('button', { name: 'Reject' }).click();
      await page.getByText('It is not heard for 10 minutes.').waitFor();
      await page.getByRole('link', { name: 'Requests 1 waits' }).waitFor();
      await page.getByRole('button', { name: 'Deny', exact: true }).click();
      await page.getByText('Nothing waits for you').waitFor();
      expect((await requestsOf(page, 'tidegate.approvals.decide'))[0]?.params['verdict']).toEqual({
        decision: 'deny',
        words: null,
        stop: false,
      });
    }));

  test('a file outside the workspace is shown with its whole content', () =>
    inWindow({ page: 'requests', scenario: 'busy' }, async ({ page }) => {
      const request = page.getByRole('article', {
        name: 'An agent wants to replace a file outside its workspace.',
      });
      await request.getByText('/home/ana/notes/today.md').waitFor();
      expect(await request.getByRole('group', { name: 'Its new content' }).textContent()).toBe(
        'Call the harbour master.\nAsk for the tide tables.\n',
      );
      await request.getByRole('button', { name: 'Deny', exact: true }).click();
      await request.waitFor({ state: 'detached' });
      expect((await requestsOf(page, 'tidegate.approvals.decide'))[0]?.params['verdict']).toEqual({
        decision: 'deny',
        words: null,
        stop: false,
      });
    }));

  test('Block asks first, and Cancel has the keyboard', () =>
    inWindow({ page: 'requests' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Block…' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Block this device for good?').waitFor();
      await page.keyboard.press('Enter');
      await dialog.waitFor({ state: 'hidden' });
      expect(await requestsOf(page, 'tidegate.devices.decide')).toEqual([]);
      await page.getByRole('button', { name: 'Block…' }).click();
      await dialog.getByRole('button', { name: 'Block' }).click();
      await page.getByText('A known device asks').waitFor({ state: 'detached' });
      expect(await requestsOf(page, 'tidegate.devices.decide')).toHaveLength(1);
    }));

  test('a program that asks is blocked, too', () =>
    inWindow({ page: 'requests', scenario: 'fresh' }, async ({ page }) => {
      const program = pending({
        requestId: 'bbbbbbbb-0000-4000-8000-000000000000',
        deviceId: 'program:/home/ana/bin/nightly-report.py',
        displayName: 'gateway-client',
        scopes: ['operator.read'],
        ts: 0,
      });
      await page.evaluate((request) => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.world.waiting.requests.push(request);
        shell.emit('device.pair.requested', request);
      }, program);
      await page.getByRole('button', { name: 'Block…' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Block this program for good?').waitFor();
      await dialog.getByText('"/home/ana/bin/nightly-report.py" is refused from now on').waitFor();
      await dialog.getByRole('button', { name: 'Block' }).click();
      await page.getByText('Nothing waits for you').waitFor();
      expect((await requestsOf(page, 'tidegate.devices.decide')).map(({ params }) => params)).toEqual([
        { requestId: program.requestId, verdict: 'block' },
      ]);
    }));

  test('one that comes while the page is open appears by itself and is announced', () =>
    inWindow({ page: 'requests', scenario: 'fresh' }, async ({ page }) => {
      await page.getByText('Nothing waits for you').waitFor();
      const visitor = pending({
        requestId: 'aaaaaaaa-0000-4000-8000-000000000000',
        deviceId: 'ab'.repeat(32),
        displayName: 'visitor',
        scopes: ['operator.read'],
        ts: Date.now(),
      });
      await page.evaluate((request) => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.world.waiting.requests.push(request);
        shell.emit('device.pair.requested', request);
        shell.emit('tidegate.changed', {});
      }, visitor);
      await page.getByText('visitor').waitFor();
      await page
        .locator('body p[role=status]')
        .getByText('1 request waits for you.')
        .waitFor({ state: 'attached' });
      expect(await page.title()).toBe('(1) Requests – Tidegate');
    }));
});

describe('devices', () => {
  test('Revoke asks first, then the device is gone', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Revoke Pixel 11' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      expect(await requestsOf(page, 'tidegate.devices.revoke')).toEqual([]);
      await page.getByRole('button', { name: 'Revoke Pixel 11' }).click();
      await page.keyboard.press('Escape');
      expect(await requestsOf(page, 'tidegate.devices.revoke')).toEqual([]);
      await page.getByRole('button', { name: 'Revoke Pixel 11' }).click();
      await dialog.getByRole('button', { name: 'Revoke' }).click();
      await page.getByText('"Pixel 11" has no access any more.').waitFor();
      await page.getByRole('heading', { name: 'Pixel 11' }).waitFor({ state: 'detached' });
      while (await page.getByRole('button', { name: /^Revoke .*(?<!py|plugin)$/ }).count()) {
        await page
          .getByRole('button', { name: /^Revoke .*(?<!py|plugin)$/ })
          .first()
          .click();
        await dialog.getByRole('button', { name: 'Revoke' }).click();
        await settled(page);
      }
      await page.getByRole('heading', { name: 'No devices' }).waitFor();
    }));

  test('a new token is asked for in the dialog, never made here', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('button', { name: 'New token…' }).click();
      await page.getByText('shows the token once').waitFor();
      expect((await requestsOf(page, 'tidegate.dialog.open')).map((one) => one.params)).toEqual([
        { kind: 'newToken' },
      ]);
      expect(await requestsOf(page, 'tidegate.token.new')).toEqual([]);
    }));

  test('unblocking is asked of the dialog', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Unblock old tablet' }).click();
      await page.getByText('asks whether to unblock it').waitFor();
      await page.getByText('old tablet').waitFor();
    }));

  test('a token and a program are revoked', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Revoke the token editor plugin' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
      await page.getByText('No tokens.').waitFor();
      await page.getByRole('button', { name: 'Revoke /home/ana/bin/nightly-report.py' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
      await page.getByText('No programs.').waitFor();
    }));

  test('a program that uses the shared token is blocked, and named by its file', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Block /home/ana/bin/nightly-report.py' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Block this program for good?').waitFor();
      await dialog.getByRole('button', { name: 'Block' }).click();
      await page.getByText('The program is blocked.').waitFor();
      expect((await requestsOf(page, 'tidegate.devices.block')).map(({ params }) => params)).toEqual([
        { id: 'prog-1' },
      ]);
      await page.getByText('No programs.').waitFor();
      await page
        .getByRole('list', { name: 'Blocked' })
        .getByText('/home/ana/bin/nightly-report.py')
        .waitFor();
    }));

  test("Tidegate's own client has no buttons", () =>
    inWindow({ page: 'devices', scenario: 'fresh' }, async ({ page }) => {
      await page.getByText('Part of Tidegate').waitFor();
      expect(await page.getByRole('button', { name: /Revoke|Block/ }).count()).toBe(0);
    }));
});

describe('overview', () => {
  test('models are tested and chosen', () =>
    inWindow({ page: 'overview' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Test ollama/llama3.3:70b' }).click();
      const row = (name: string) =>
        page.getByRole('listitem').filter({ has: page.getByRole('button', { name: `Test ${name}` }) });
      await row('ollama/llama3.3:70b').getByText('The first word came after 180 ms.').waitFor();
      await page.getByRole('button', { name: 'Test lmstudio/mistral-small-24b' }).click();
      await row('lmstudio/mistral-small-24b').getByText('LM Studio closed the connection.').waitFor();
      await row('ollama/llama3.3:70b').getByText('The first word came after 180 ms.').waitFor();
      await page.getByRole('button', { name: 'Use ollama/llama3.3:70b' }).click();
      await page.getByText('New answers come from ollama/llama3.3:70b.').waitFor();
      await page.getByRole('button', { name: 'Use ollama/qwen3:14b' }).waitFor();
    }));

  test('a provider that was connected meanwhile is shown at once', () =>
    inWindow({ page: 'overview', scenario: 'fresh' }, async ({ page }) => {
      await page.getByText('Offline demo').waitFor();
      await page.getByRole('heading', { name: 'Needs attention' }).waitFor();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        const [demo] = shell.world.models;
        if (!demo) throw new Error('the demo is missing');
        shell.world.models = [
          { ...demo, provider: 'harbour', id: 'qwen3:8b', name: 'qwen3:8b', tags: ['default'] },
          { ...demo, tags: [] },
        ];
        shell.world.checks = shell.world.checks.filter((check) => check.name !== 'model');
        shell.world.status.models = { default: 'harbour/qwen3:8b', offline: false };
        shell.emit('tidegate.changed', {});
      });
      const row = page.getByRole('listitem').filter({ hasText: 'qwen3:8b' });
      await row.getByText('In use').waitFor();
      expect(await page.getByText('No model').count()).toBe(0);
    }));

  test('a server that was started meanwhile is found when the page is opened, and while it is open', () =>
    inWindow({ page: 'overview', scenario: 'fresh' }, async ({ page }) => {
      await page.getByText('Offline demo').waitFor();
      const found = (id: string) =>
        page.evaluate((id) => {
          const { world } = (window as unknown as { __fake: FakeShell }).__fake;
          const [demo] = world.models;
          if (demo) world.models.push({ ...demo, provider: 'ollama', id, name: id, tags: ['found'] });
        }, id);
      await page.getByRole('link', { name: 'Devices' }).click();
      await page.getByRole('heading', { name: 'Devices and programs' }).waitFor();
      await found('qwen3:8b');
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('button', { name: 'Use ollama/qwen3:8b' }).waitFor();
      await found('gemma4:4b');
      await page.evaluate(() => (window as unknown as { __fake: FakeShell }).__fake.emit('tick', { ts: 0 }));
      await page.getByRole('button', { name: 'Use ollama/gemma4:4b' }).waitFor();
    }));

  test('agents are paused and go on', () =>
    inWindow({ page: 'overview' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Pause agents' }).click();
      await page.getByText('Running, agents are paused').waitFor();
      await page.getByRole('button', { name: 'Resume agents' }).click();
      await page.getByText('Running', { exact: true }).waitFor();
    }));

  test('the one primary action is what is needed most', () =>
    inWindow({ page: 'overview', scenario: 'fresh' }, async ({ page }) => {
      const primary = page.locator('main .button.primary');
      expect(await primary.allTextContents()).toEqual([expect.stringContaining('Connect a model…')]);
      await primary.click();
      await settled(page);
      expect((await requestsOf(page, 'tidegate.dialog.open')).map((one) => one.params)).toEqual([
        { kind: 'modelKey' },
      ]);
    }));

  test('the address and the lines are copied', () =>
    inWindow({ page: 'overview' }, async ({ page }) => {
      await page.getByRole('button', { name: 'Copy the address of the gateway' }).click();
      await page.getByText('Copied', { exact: true }).waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('ws://127.0.0.1:18790');
      await page.getByRole('button', { name: 'Copy: Aim all commands at this gateway' }).click();
      await page.waitForFunction(async () =>
        (await navigator.clipboard.readText()).startsWith('openclaw config'),
      );
    }));

  test('what is missing on this computer is reported with what to do', () =>
    inWindow({ page: 'overview', scenario: 'fresh' }, async ({ page }) => {
      for (const words of ['no tray icons', 'No notification service', 'gnome-keyring', 'Ollama']) {
        await page.getByText(words).first().waitFor();
      }
    }));
});

describe('activity', () => {
  test('a run is cancelled after a question that names what stops with it', () =>
    inWindow({ page: 'activity' }, async ({ page }) => {
      await page.getByText('2 agents running.').waitFor();
      await page.getByRole('button', { name: 'Stop Main' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('with 1 subagent below it').waitFor();
      await dialog.getByRole('button', { name: 'Stop' }).click();
      await page.getByText('"Main" was stopped.').waitFor();
      await page.getByText('1 agent running.').waitFor();
    }));

  test('only what works is shown on demand', () =>
    inWindow({ page: 'activity' }, async ({ page }) => {
      await page.getByLabel('Running only').check();
      await page.getByText('Chat of 12 Mar, 05:29').waitFor({ state: 'detached' });
      expect(await page.getByRole('row').count()).toBe(3);
    }));
});

describe('a gateway that is not there', () => {
  test('pages keep what they showed, say so, and come back by themselves', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('heading', { name: 'Pixel 11' }).waitFor();
      await page.evaluate(() =>
        (window as unknown as { __fake: FakeShell }).__fake.drop('the gateway panicked', true),
      );
      await page.getByText('Disconnected from the gateway.').first().waitFor();
      await page.getByText('The gateway panicked.').waitFor();
      expect(await page.getByRole('button', { name: 'Revoke Pixel 11' }).isDisabled()).toBe(true);
      await page.evaluate(() => (window as unknown as { __fake: FakeShell }).__fake.comeBack());
      await page.getByText('Disconnected from the gateway.').first().waitFor({ state: 'detached' });
      expect(await page.getByRole('button', { name: 'Revoke Pixel 11' }).isEnabled()).toBe(true);
    }));

  test('a restart is no alarm', () =>
    inWindow({ page: 'devices' }, async ({ page }) => {
      await page.getByRole('heading', { name: 'Pixel 11' }).waitFor();
      await page.evaluate(() => {
        const shell = (window as unknown as { __fake: FakeShell }).__fake;
        shell.emit('shutdown', { reason: 'restart', restartExpectedMs: 1500 });
        shell.drop('the gateway stopped', true);
      });
      await page.getByText('Restarting…').waitFor();
      expect(await page.locator('.notice.danger').count()).toBe(0);
      await page.evaluate(() => (window as unknown as { __fake: FakeShell }).__fake.comeBack());
      await page.getByText('Restarting…').waitFor({ state: 'detached' });
    }));

  test.each(['overview', 'requests', 'devices', 'chat', 'activity'])(
    'the page %s says what it waits for before the gateway is there',
    (name) =>
      inWindow({ page: name, scenario: 'starting' }, async ({ page }) => {
        await page.getByText('Connecting to the gateway…').waitFor();
        await page
          .getByText(/when it is back|gateway is back|as soon as (it|the gateway) is (back|connected)/)
          .first()
          .waitFor();
        await page.evaluate(() => (window as unknown as { __fake: FakeShell }).__fake.comeBack());
        // It is tried again by itself too, which may be sooner.
        await page
          .getByRole('button', { name: 'Try now' })
          .click({ timeout: 3000 })
          .catch(() => undefined);
        await page.getByText('Connecting to the gateway…').waitFor({ state: 'detached' });
      }),
  );

  test.each(['overview', 'requests', 'devices', 'activity', 'chat'])(
    'the page %s tells an error and offers to try again',
    (name) =>
      inWindow({ page: name, scenario: 'failing' }, async ({ page }) => {
        await page.getByText('The store cannot be read: the disk is full.').first().waitFor();
        await page.getByRole('button', { name: 'Try again' }).first().waitFor();
      }),
  );
});

describe('hostile text', () => {
  test.each(['overview', 'requests', 'devices', 'chat', 'activity'])('is only text on the page %s', (name) =>
    inWindow({ page: name, scenario: 'hostile' }, async ({ page, foreign }) => {
      await page.getByText('onerror').first().waitFor();
      for (const summary of await page.locator('summary').all()) await summary.click();
      await settled(page);
      const seen = await page.evaluate(() => ({
        harm: (window as unknown as { __harm?: unknown }).__harm,
        images: document.querySelectorAll('main img, main script, main iframe, main svg[onload]').length,
        links: [...document.querySelectorAll('main a')].map((link) => link.getAttribute('href') ?? ''),
      }));
      expect(seen.harm).toBeUndefined();
      expect(seen.images).toBe(0);
      expect(seen.links.filter((href) => !href.startsWith('#/'))).toEqual([]);
      expect(foreign).toEqual([]);
    }),
  );
});

describe('authority', () => {
  /** Everything that would widen what someone may do, or change policy. */
  const WIDENS: [string, Record<string, unknown>][] = [
    ['device.pair.approve', { requestId: '5f1c29aa-6f0e-4a57-9f3a-2a3c4be0d7e1' }],
    ['device.pair.rename', { deviceId: 'x', label: 'Work laptop' }],
    ['device.token.rotate', { deviceId: 'x', role: 'operator' }],
    ['tidegate.devices.decide', { requestId: '5f1c29aa', verdict: 'approve' }],
    ['tidegate.devices.unblock', { id: 'x' }],
    ['tidegate.token.new', { name: 'x', level: 'full' }],
    ['tidegate.token.rotate', {}],
    ['tidegate.token.show', {}],
    ['tidegate.models.add', { id: 'x', baseUrl: 'https://evil.example', key: 'k' }],
    ['tidegate.stop', {}],
    ['exec.approval.resolve', { id: '493bb3df-fd38-4b55-a870-4dd1802a2a34', decision: 'allow-once' }],
    ['exec.approval.request', { command: 'id' }],
    ['sessions.patch', { key: 'main', model: 'x/y' }],
    ['sessions.reset', { key: 'main' }],
    ['sessions.delete', { key: 'x' }],
    ['system-event', { text: 'x' }],
    ['tidegate.selftest', {}],
    ['config.set', {}],
    ['tidegate.devices.approve', {}],
  ];

  test('a script in the page gets every widening method refused, and every other command of the shell', () =>
    inWindow({ page: 'requests' }, async ({ page }) => {
      const outcomes = await page.evaluate(async (widens) => {
        interface Internals {
          invoke(command: string, args: unknown): Promise<unknown>;
          transformCallback(callback: (value: { message: unknown }) => void): number;
        }
        const internals = (window as unknown as { __TAURI_INTERNALS__: Internals }).__TAURI_INTERNALS__;
        const answers: Record<string, { ok: boolean }> = {};
        const id = internals.transformCallback(({ message }) => {
          if (typeof message !== 'string') return;
          const frame = JSON.parse(message) as { type: string; id: string; ok: boolean };
          if (frame.type === 'res') answers[frame.id] = frame;
        });
        await internals.invoke('backend_open', { channel: { id } });
        for (const [method, params] of widens) {
          const text = JSON.stringify({ type: 'req', id: method, method, params });
          await internals.invoke('backend_send', { text });
        }
        await new Promise((done) => setTimeout(done, 300));
        const others: string[] = [];
        for (const command of [
          'backend_decide',
          'plugin:shell|execute',
          'plugin:fs|read',
          'plugin:opener|open_url',
        ]) {
          await internals.invoke(command, {}).then(
            () => others.push(command),
            () => undefined,
          );
        }
        const granted = widens.map(([method]) => method).filter((method) => answers[method]?.ok !== false);
        return { granted, others };
      }, WIDENS);
      expect(outcomes).toEqual({ granted: [], others: [] });
    }));

  test('no page asks for any of them by itself', async () => {
    const methods = new Set<string>();
    for (const name of ['overview', 'requests', 'devices', 'chat', 'activity']) {
      const opened = await windows.open({ page: name });
      for (const button of await opened.page.locator('main button:enabled').all()) {
        if (await button.isVisible()) await button.click({ timeout: 2000 }).catch(() => undefined);
        await opened.page.keyboard.press('Escape');
      }
      for (const request of await requestsOf(opened.page)) methods.add(request.method);
      await opened.close();
    }
    const allowed = new Set(['exec.approval.resolve', 'tidegate.devices.unblock']);
    expect(
      WIDENS.map(([method]) => method).filter((method) => methods.has(method) && !allowed.has(method)),
    ).toEqual([]);
    expect(methods.size).toBeGreaterThan(10);
  });
});

describe('the content security policy', () => {
  test('holds: scripts and styles in the page do not run, and nothing is loaded from elsewhere', async () => {
    const opened = await windows.open({ page: 'overview' });
    const { page } = opened;
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.__harm = 1';
      document.body.append(script);
      const image = document.createElement('img');
      image.src = 'https://evil.example/x.gif';
      document.body.append(image);
    });
    await page.evaluate(
      () =>
        new Promise((done) => {
          const probe = document.createElement('script');
          probe.src = '/probe.js';
          probe.onload = done;
          document.body.append(probe);
        }),
    );
    const evaluated = await page.evaluate(() => (window as unknown as { __evaluated: unknown }).__evaluated);
    const fetched = await page.evaluate(() =>
      fetch('https://evil.example/').then(
        () => 'sent',
        () => 'refused',
      ),
    );
    expect([evaluated, fetched]).toEqual(['refused', 'refused']);
    expect(await page.evaluate(() => (window as unknown as { __harm?: unknown }).__harm)).toBeUndefined();
    expect(opened.problems.length).toBeGreaterThanOrEqual(3);
    await opened.close();
  });

  test('outside of the shell the window says where it works', async () => {
    const opened = await windows.open({ page: 'overview' });
    await opened.page
      .context()
      .newPage()
      .then(async (page) => {
        await page.goto(`${windows.address}/#/overview`);
        await page.getByText("This page works only in Tidegate's own window.").waitFor();
      });
    await opened.close();
  });
});
