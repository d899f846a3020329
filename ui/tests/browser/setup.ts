/** Builds the window as it is shipped, and the stand-in for the shell as a script of its own. */

import { mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
export const BUILT = here('../../.browser-test/');

export default async function setup(): Promise<void> {
  process.env['NODE_ENV'] = 'production';
  await rm(BUILT, { recursive: true, force: true });
  await mkdir(BUILT, { recursive: true });
  await build({
    root: here('../..'),
    mode: 'production',
    logLevel: 'warn',
    build: { outDir: `${BUILT}dist` },
  });
  await build({
    root: here('../..'),
    configFile: false,
    mode: 'production',
    logLevel: 'warn',
    publicDir: false,
    plugins: [svelte()],
    build: {
      outDir: `${BUILT}fake`,
      lib: {
        entry: here('../../src/fake/install.ts'),
        formats: ['iife'],
        name: 'fake',
        fileName: () => 'fake.js',
      },
    },
  });
}
