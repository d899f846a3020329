import { readFile } from 'node:fs/promises';

import { expect, test } from 'vitest';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the lock file holds no address of a registry', async () => {
  const lock = JSON.parse(await read('package-lock.json')) as {
    packages: Record<string, { resolved?: string }>;
  };
  const resolved = Object.values(lock.packages).filter((entry) => entry.resolved !== undefined);
  expect(resolved).toEqual([]);
});

test('versions are exact', async () => {
  const manifest = JSON.parse(await read('package.json')) as Record<string, Record<string, string>>;
  const versions = Object.entries({ ...manifest['dependencies'], ...manifest['devDependencies'] });
  expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test('every scope that has words has a sentence', async () => {
  const words = JSON.parse(await read('src/generated/words.json')) as {
    scopes: Record<string, { sentence: string; farReaching: boolean }>;
    levels: Record<string, string>;
  };
  expect(Object.keys(words.scopes)).toContain('operator.admin');
  for (const { sentence, farReaching } of Object.values(words.scopes)) {
    expect(sentence).toMatch(/\.$/);
    expect(typeof farReaching).toBe('boolean');
  }
  expect(Object.keys(words.levels).sort()).toEqual(['full', 'read', 'write']);
});
