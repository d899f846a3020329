import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/browser/**/*.test.ts'],
    environment: 'node',
    globalSetup: ['tests/browser/setup.ts'],
    // One browser, one page after the other: the machine may have few cores.
    fileParallelism: false,
    // Generous: a machine may have much else to do, and where all is well it costs nothing.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
