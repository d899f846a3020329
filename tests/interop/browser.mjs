// A page in headless Chromium, driven line by line: each line of the input is {op, ...}, and each is
// answered with a line {ok} or {error}. `node browser.mjs PLAYWRIGHT CHROMIUM PROFILE`.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [playwright, executablePath, profile] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(playwright).href);

const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  args,
  headless: true,
  viewport: { width: 1200, height: 900 },
});
context.setDefaultTimeout(20_000);
const page = context.pages()[0] ?? (await context.newPage());
const messages = [];
page.on("console", (message) => messages.push(`${message.type()}: ${message.text()}`));
page.on("pageerror", (error) => messages.push(`pageerror: ${error.message}`));
const frames = [];
page.on("websocket", (socket) => {
  socket.on("framesent", ({ payload }) => frames.push(`> ${payload}`));
  socket.on("framereceived", ({ payload }) => frames.push(`< ${payload}`));
});

// The first that a person sees: a page may keep what it no longer shows, transparent.
const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const seen = async (selector) => {
  await page.locator(selector).first().waitFor();
  for (const element of await page.locator(selector).all()) {
    if (await element.evaluate(isSeen)) return element;
  }
  throw new Error(`nothing that is seen fits ${selector}`);
};

const operations = {
  open: ({ url }) => page.goto(url),
  text: () => page.evaluate(() => document.body.innerText),
  click: ({ role, name }) => page.getByRole(role, { name }).first().click(),
  clickText: ({ text }) => page.getByText(text).first().click(),
  count: ({ selector }) => page.locator(selector).count(),
  countText: ({ text }) => page.getByText(text, { exact: false }).count(),
  fill: async ({ selector, text }) => (await seen(selector)).fill(text),
  press: async ({ selector, key }) => (await seen(selector)).press(key),
  run: ({ script }) => page.evaluate(script),
  screenshot: ({ path }) => page.screenshot({ path }).then(() => undefined),
  messages: () => messages,
  frames: () => frames,
};

console.log(JSON.stringify({ ok: "ready" }));
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...rest } = JSON.parse(line);
  try {
    const value = await operations[op](rest);
    console.log(JSON.stringify({ ok: op === "open" ? null : (value ?? null) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message ?? error) }));
  }
}
await context.close();
