import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Scenario } from '../../src/fake/world';
import { type OpenOptions, Windows, settled } from './window';

/** `npm run screenshots` renews those of the documentation. */
const FOLDER = fileURLToPath(
  new URL(
    process.env['SCREENSHOTS'] === 'docs' ? '../../../docs/screenshots/' : '../../.browser-test/screenshots/',
    import.meta.url,
  ),
);
const PAGES = ['overview', 'requests', 'permissions', 'devices', 'chat', 'activity'];

let windows: Windows;
beforeAll(async () => {
  windows = await Windows.start();
  await mkdir(FOLDER, { recursive: true });
});
afterAll(() => windows?.stop());

/** Texts that are cut off, and parts that reach beyond the page's width. */
async function clipped(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
    for (const element of document.querySelectorAll<HTMLElement>('main *, nav *')) {
      if (element.closest('.visually-hidden, svg, pre, .scroll, option')) continue;
      const style = getComputedStyle(element);
      const isCut = /hidden|clip/.test(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
      // One line of what a tool was called with may be cut: the whole is inside.
      if (isCut && !element.classList.contains('summary')) {
        found.push(`${element.tagName}.${element.className}: ${element.textContent?.slice(0, 60)}`);
      }
      const box = element.getBoundingClientRect();
      if (box.width > 0 && box.right > innerWidth + 1) found.push(`${element.tagName} leaves the page`);
    }
    return found;
  });
}

async function shoot(name: string, options: OpenOptions): Promise<void> {
  const { page, close } = await windows.open(options);
  try {
    await settled(page);
    const picture = await page.screenshot({ path: `${FOLDER}window-${name}.png` });
    expect(picture.length, `${name} is kept in the repository`).toBeLessThan(150_000);
    expect(await clipped(page), name).toEqual([]);
  } finally {
    await close();
  }
}

describe.each(['light', 'dark'] as const)('%s', (colorScheme) => {
  test.each(PAGES)('the page %s is drawn whole at 100 and at 200 per cent', async (page) => {
    await shoot(`${page}-${colorScheme}`, { page, colorScheme });
    await shoot(`${page}-${colorScheme}-200`, {
      page,
      colorScheme,
      scale: 2,
      viewport: { width: 500, height: 380 },
    });
  });

  test.each([
    ['overview', 'fresh'],
    ['requests', 'fresh'],
    ['permissions', 'fresh'],
    ['chat', 'fresh'],
    ['overview', 'starting'],
  ] as [string, Scenario][])('the page %s with nothing in it (%s) is drawn whole', async (page, scenario) => {
    await shoot(`${page}-${scenario}-${colorScheme}`, { page, scenario, colorScheme });
  });
});

test.each(PAGES)('the page %s fits a window 320 px wide', async (name) => {
  const { page, close } = await windows.open({ page: name, viewport: { width: 320, height: 640 } });
  await settled(page);
  expect(await clipped(page)).toEqual([]);
  await close();
});
