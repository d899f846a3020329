import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Scenario } from '../../src/fake/world';
import { Windows, settled, turnTo } from './window';

let windows: Windows;
let axe: string;
beforeAll(async () => {
  windows = await Windows.start();
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
});
afterAll(() => windows?.stop());

/** What breaks a rule of WCAG 2.1 AA, in a line each. */
async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  return page.evaluate(async () => {
    interface Axe {
      run(
        context: Document,
        options: unknown,
      ): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>;
    }
    const { run } = (window as unknown as { axe: Axe }).axe;
    const result = await run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
    });
    return result.violations.flatMap((rule) =>
      rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ''}`),
    );
  });
}

const PAGES = ['overview', 'requests', 'permissions', 'devices', 'chat', 'activity'];
const SCENARIOS: Scenario[] = ['usual', 'fresh', 'hostile', 'starting', 'failing'];

for (const colorScheme of ['light', 'dark'] as const) {
  for (const scenario of SCENARIOS) {
    test(`every page keeps WCAG 2.1 AA: ${scenario}, ${colorScheme}`, async () => {
      const found: string[] = [];
      const { page, close } = await windows.open({ scenario, colorScheme });
      for (const name of PAGES) {
        await turnTo(page, name);
        found.push(...(await violations(page)).map((line) => `${name}: ${line}`));
      }
      await close();
      expect(found).toEqual([]);
    });
  }

  test(`open folds, a question and a narrow window keep it too: ${colorScheme}`, async () => {
    const found: string[] = [];
    const chat = await windows.open({ page: 'chat', colorScheme, viewport: { width: 480, height: 640 } });
    await settled(chat.page);
    for (const summary of await chat.page.locator('summary').all()) await summary.click();
    await chat.page.getByRole('button', { name: 'Chats' }).click();
    found.push(...(await violations(chat.page)));
    await chat.close();
    const devices = await windows.open({ page: 'devices', colorScheme });
    await devices.page.getByRole('button', { name: 'Revoke Work laptop' }).click();
    found.push(...(await violations(devices.page)));
    await devices.close();
    const requests = await windows.open({ page: 'requests', colorScheme });
    await requests.page.getByRole('button', { name: 'Deny with words…' }).click();
    found.push(...(await violations(requests.page)));
    await requests.close();
    const permissions = await windows.open({ page: 'permissions', colorScheme });
    await permissions.page.getByRole('button', { name: 'Revoke npm run test …' }).click();
    found.push(...(await violations(permissions.page)));
    await permissions.close();
    expect(found).toEqual([]);
  });
}

test('the keyboard reaches the content at once, and every page from every page', async () => {
  const { page, close } = await windows.open();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('content');
  await page.getByRole('link', { name: 'Overview' }).focus();
  for (const name of ['Requests', 'Permissions', 'Devices', 'Chat', 'Activity']) {
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForFunction((title) => document.title.includes(title), name);
    await page.getByRole('link', { name, exact: false }).first().focus();
  }
  await close();
});

test('what has the focus can be seen', async () => {
  const { page, close } = await windows.open({ page: 'devices' });
  await settled(page);
  for (let at = 0; at < 12; at += 1) {
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement ?? document.body);
      return `${style.outlineStyle} ${style.outlineWidth}`;
    });
    expect(outline).toBe('solid 2px');
  }
  await close();
});

test('the tree is moved in with the arrow keys', async () => {
  const { page, close } = await windows.open({ page: 'activity' });
  const focused = () => page.evaluate(() => document.activeElement?.querySelector('a')?.textContent);
  await page.getByRole('row').nth(1).focus();
  expect(await focused()).toBe('Main');
  await page.keyboard.press('ArrowDown');
  expect(await focused()).toBe('release notes');
  await page.keyboard.press('ArrowLeft');
  expect(await focused()).toBe('Main');
  expect(await page.getByRole('row').count()).toBe(7);
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction(() => document.querySelectorAll('[role=row]').length === 4);
  expect(await page.getByRole('row', { name: 'Main' }).getAttribute('aria-expanded')).toBe('false');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('End');
  expect(await focused()).toBe('Chat of 10 Mar, 10:29');
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash.startsWith('#/chat/'));
  await close();
});
