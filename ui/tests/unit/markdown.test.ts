import { describe, expect, test } from 'vitest';

import { type Block, type Inline, readMarkdown } from '../../src/lib/markdown';

/** Everything that would be drawn as text, in order. */
function texts(blocks: Block[]): string {
  const inline = (part: Inline): string => {
    switch (part.kind) {
      case 'text':
      case 'code':
        return part.text;
      case 'break':
        return '\n';
      case 'link':
        return `${part.children.map(inline).join('')}(${part.address})`;
      case 'image':
        return `[image ${part.description}](${part.address})`;
      default:
        return part.children.map(inline).join('');
    }
  };
  return blocks
    .map((block) => {
      switch (block.kind) {
        case 'code':
          return block.text;
        case 'quote':
          return texts(block.children);
        case 'list':
          return block.items.map((item) => texts(item.children)).join('\n');
        case 'table':
          return [block.header, ...block.rows]
            .flat()
            .map((cell) => cell.map(inline).join(''))
            .join('|');
        case 'rule':
          return '---';
        default:
          return block.children.map(inline).join('');
      }
    })
    .join('\n');
}

const KINDS = new Set([
  'text',
  'strong',
  'emphasis',
  'deleted',
  'code',
  'break',
  'link',
  'image',
  'paragraph',
  'heading',
  'quote',
  'list',
  'table',
  'rule',
]);

/** Nothing but the known kinds and plain fields: nothing that a component could take for HTML. */
function checkShape(value: unknown): void {
  if (Array.isArray(value)) value.forEach(checkShape);
  else if (typeof value === 'object' && value !== null) {
    const record = value as Record<string, unknown>;
    if ('kind' in record) expect(KINDS).toContain(record['kind']);
    expect(Object.keys(record)).not.toContain('html');
    Object.values(record).forEach(checkShape);
  }
}

const HARMFUL = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<a href="javascript:alert(1)">x</a>',
  '<b>not bold</b> text',
  '<!-- comment --> after',
  '<style>*{display:none}</style>',
  '<math><mi xlink:href="data:x,<script>alert(1)</script>">',
  '<details open ontoggle=alert(1)>',
  '<form action=//evil><input name=x>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '<?php echo 1 ?>',
  '<![CDATA[x]]>',
];

describe('HTML', () => {
  test.each(HARMFUL)('%s stays text', (source) => {
    const blocks = readMarkdown(source);
    checkShape(blocks);
    for (const word of source.match(/<[a-z!?][^\s>]*/gi) ?? []) expect(texts(blocks)).toContain(word);
  });

  test('within a paragraph, a list, a heading, a table and a quote it stays text', () => {
    const bad = '<img src=x onerror=alert(1)>';
    const blocks = readMarkdown(`a ${bad}\n\n- ${bad}\n\n# ${bad}\n\n> ${bad}\n\n| x |\n| --- |\n| ${bad} |`);
    expect(texts(blocks).split('<img src=x onerror=alert(1)>')).toHaveLength(6);
  });
});

describe('links and images', () => {
  test.each([
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](&#106;avascript:alert(1))',
    '[x](data:text/html;base64,PHNjcmlwdD4=)',
    '[x](vbscript:x)',
    '[x](file:///etc/passwd)',
    '<javascript:alert(1)>',
    '[x]: javascript:alert(1)\n\n[x]',
  ])('%s is an address to read, not one to open', (source) => {
    const blocks = readMarkdown(source);
    checkShape(blocks);
    expect(JSON.stringify(blocks)).not.toContain('"href"');
  });

  test('an image is its description and its address', () => {
    expect(readMarkdown('![a cat](https://tracker.example/p.gif)')).toEqual([
      {
        kind: 'paragraph',
        children: [{ kind: 'image', description: 'a cat', address: 'https://tracker.example/p.gif' }],
      },
    ]);
  });

  test('a link shows where it leads even when its text says something else', () => {
    expect(texts(readMarkdown('[https://bank.example](https://evil.example)'))).toBe(
      'https://bank.example(https://evil.example)',
    );
  });

  test.each([
    ['https://a.example/?x=1', 'https://a.example/?x=1'],
    ['<https://a.example/>', 'https://a.example/'],
    ['www.a.example', 'www.a.example'],
    ['me@a.example', 'me@a.example'],
  ])('the bare address %s stands once', (source, address) => {
    expect(readMarkdown(source)).toEqual([
      { kind: 'paragraph', children: [{ kind: 'link', children: [], address }] },
    ]);
  });

  test('a very long address is cut', () => {
    const blocks = readMarkdown(`[x](https://a.example/${'y'.repeat(5000)})`);
    expect(texts(blocks).length).toBeLessThan(2100);
  });
});

describe('text', () => {
  test('what reorders text is taken out of prose and made visible in code', () => {
    expect(texts(readMarkdown('a\u202eb'))).toBe('ab');
    expect(texts(readMarkdown('`a\u202eb`'))).toBe('a\\u{202e}b');
  });

  test('the usual parts are read', () => {
    const blocks = readMarkdown(
      '# T\n\n**b** *i* ~~d~~ `c`\n\n1. one\n2. two\n\n- [x] done\n\n```sh\nls\n```\n\n---',
    );
    expect(blocks.map((block) => block.kind)).toEqual([
      'heading',
      'paragraph',
      'list',
      'list',
      'code',
      'rule',
    ]);
    expect(blocks[2]).toMatchObject({ isOrdered: true, start: 1 });
    expect(blocks[3]).toMatchObject({ items: [{ isDone: true }] });
    expect(blocks[4]).toEqual({ kind: 'code', language: 'sh', text: 'ls' });
  });

  test('characters that HTML names are these characters, but in code', () => {
    expect(
      texts(readMarkdown('R&amp;D &lt;b&gt; 5&nbsp;&times;&nbsp;3 &#8211; &#x2014; &unknown; `&amp;`')),
    ).toBe('R&D <b> 5\u00a0×\u00a03 – — &unknown; &amp;');
    expect(texts(readMarkdown('[x](https://a.example/?a=1&amp;b=2)'))).toBe('x(https://a.example/?a=1&b=2)');
  });

  test('characters by number reorder and hide nothing', () => {
    expect(texts(readMarkdown('a&#8238;b&#x202e;c&#0;d&#xd800;'))).not.toMatch(/[\u202e\u0000\ud800]/);
  });

  test('columns of a table are aligned as it says', () => {
    expect(readMarkdown('| a | b | c | d |\n|:--|--:|:-:|---|\n| 1 | 2 | 3 | 4 |')[0]).toMatchObject({
      align: ['left', 'right', 'center', null],
    });
  });

  test('the language of code cannot carry more than a name', () => {
    expect(readMarkdown('```js" onclick="x\nls\n```')[0]).toMatchObject({ language: 'js' });
  });

  test('nothing is lost from half an answer that is still being written', () => {
    for (const half of [
      '**bo',
      '```sh\nls',
      '[text](http',
      '| a | b |\n|',
      '- one\n- ',
      '> qu',
      '`co',
      '<scr',
    ]) {
      const letters = half.replace(/[^a-z]/g, '');
      expect(texts(readMarkdown(half)).replace(/[^a-z]/g, ''), half).toContain(letters.replace(/^sh/, ''));
    }
  });
});

describe('texts made to be slow', () => {
  test.each([
    ['quotes', '>'.repeat(20_000)],
    ['brackets', '['.repeat(20_000)],
    ['opened images', '![a'.repeat(20_000)],
    ['stars', '*a'.repeat(20_000)],
    ['underscores', '_'.repeat(50_000)],
    ['backticks', '`'.repeat(50_000)],
    ['lists in lists', '- '.repeat(5000) + 'x'],
    ['tables', `|${'a|'.repeat(3000)}\n|${'-|'.repeat(3000)}\n`],
    ['links', '[a](b'.repeat(10_000)],
    ['angle brackets', '<a '.repeat(20_000)],
    ['very long', 'word '.repeat(200_000)],
  ])('%s are read within a second and a half', (_name, source) => {
    // The time of the processor that it takes, whatever else the machine does meanwhile.
    const began = process.cpuUsage();
    expect(readMarkdown(source).length).toBeGreaterThan(0);
    const { user, system } = process.cpuUsage(began);
    expect((user + system) / 1000).toBeLessThan(1500);
  });
});
