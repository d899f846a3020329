/**
 * `src/generated/protocol.ts` is made from `schemas/protocol.json`, which is made from the types of
 * `crates/protocol`. `npm run types` writes it; this test fails when it is old.
 */

import { readFile, writeFile } from 'node:fs/promises';

import { type JSONSchema, compile } from 'json-schema-to-typescript';
import { expect, test } from 'vitest';

const SCHEMAS = new URL('../../../schemas/protocol.json', import.meta.url);
const TYPES = new URL('../../src/generated/protocol.ts', import.meta.url);

interface Document {
  methods: Record<string, { power?: string; params?: JSONSchema; result?: JSONSchema }>;
  events: Record<string, JSONSchema>;
  $defs: Record<string, JSONSchema>;
}

/** A closed object with a property for each entry. */
function closed(title: string, description: string, properties: Record<string, JSONSchema>): JSONSchema {
  const required = Object.keys(properties);
  return { title, description, type: 'object', additionalProperties: false, required, properties };
}

/** A call of the method as a schema. */
function call(method: string, { params, result }: Document['methods'][string]): JSONSchema {
  if (!params || !result) throw new Error(`schemas/protocol.json does not say all of ${method}`);
  return {
    type: 'object',
    additionalProperties: false,
    required: ['params', 'result'],
    properties: { params, result },
  };
}

async function typesOf(document: Document): Promise<string> {
  // `connect` has no power: windows do not connect.
  const isCalled = ([, { power }]: [string, { power?: string }]) =>
    power !== undefined && power !== 'administer';
  const methods = Object.entries(document.methods).filter(isCalled);
  const definitions = structuredClone(document.$defs);
  for (const definition of Object.values(definitions)) {
    const isEmpty = definition.type === 'object' && !definition.properties;
    // As an interface without members it would let everything pass.
    if (isEmpty && definition.additionalProperties === false) definition['tsType'] = 'Record<string, never>';
  }
  const root = closed('Protocol', 'Everything that a window and the gateway say to each other.', {
    methods: closed(
      'Methods',
      'What a window may ask: every method but those that administer.',
      Object.fromEntries(methods.map(([name, method]) => [name, call(name, method)])),
    ),
    events: closed('Events', 'What the gateway tells by itself.', document.events),
    error: { $ref: '#/$defs/ErrorShape' },
  });
  const text = await compile({ ...root, $defs: definitions }, 'Protocol', {
    additionalProperties: false,
    bannerComment: '/* Generated from schemas/protocol.json; `npm run types` writes it. */',
    ignoreMinAndMaxItems: true,
    style: { printWidth: 110, singleQuote: true },
  });
  // What the library adds to say where a type was found.
  return text
    .replace(/\/\*\*\n \* This interface was referenced by [^]*?\*\/\n/g, '')
    .replace(/\n \*\n \* This interface was referenced by [^]*?(?=\n \*\/)/g, '');
}

test('the types of the protocol are current', async () => {
  const current = await typesOf(JSON.parse(await readFile(SCHEMAS, 'utf8')) as Document);
  if (process.env['UPDATE_TYPES']) await writeFile(TYPES, current);

  const committed = await readFile(TYPES, 'utf8').catch(() => '');

  expect(committed === current, 'src/generated/protocol.ts is old: `npm run types` writes it').toBe(true);
});
