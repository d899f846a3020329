/**
 * Markdown from models, read into plain values that components draw as text. No HTML is made from
 * it at any point: what Markdown calls HTML stays text, an image becomes its description and
 * address, and a link is a text with an address beside it that a person can copy.
 */

import { type Token, type Tokens, marked } from 'marked';

import { withEntities } from './entities';
import { prose, visibleText } from './format';

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'strong' | 'emphasis' | 'deleted'; children: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'break' }
  /** Without children where the address is the text. */
  | { kind: 'link'; children: Inline[]; address: string }
  | { kind: 'image'; description: string; address: string };

export type Block =
  | { kind: 'paragraph'; children: Inline[] }
  /** `level` counts from 1 without gaps, whatever levels the text used. */
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'quote'; children: Block[] }
  | { kind: 'list'; isOrdered: boolean; start: number; items: ListItem[] }
  | { kind: 'table'; align: Align[]; header: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };

/** How a column of a table is aligned; `null` where the text does not say. */
export type Align = 'left' | 'center' | 'right' | null;

export interface ListItem {
  /** Whether it is ticked; `null` when it is no task. */
  isDone: boolean | null;
  children: Block[];
}

/** Longer texts are shown as they are: reading them would hold up the page. */
const MAX_LENGTH = 200_000;
/** More markers than this in one paragraph are shown as text. */
const MANY_MARKERS = 4000;
/** Deeper nesting is shown as text. */
const MAX_DEPTH = 12;

/** Reads Markdown. Never throws. */
export function readMarkdown(text: string): Block[] {
  if (text.length > MAX_LENGTH || isTooNested(text)) return [plain(text)];
  try {
    const tokens = marked.lexer(text, { gfm: true, breaks: true, async: false });
    return withoutGaps(blocks(tokens, 0));
  } catch {
    return [plain(text)];
  }
}

/** Headings nest by one level at a time, as those who hear a page need it. */
function withoutGaps(blocks: Block[]): Block[] {
  const above: number[] = [];
  return blocks.map((block) => {
    if (block.kind !== 'heading') return block;
    while ((above.at(-1) ?? 0) >= block.level) above.pop();
    above.push(block.level);
    return { ...block, level: above.length };
  });
}

function plain(text: string): Block {
  return { kind: 'code', language: '', text: visibleText(text) };
}

/** Markers that make the reader slow: many in one row, or very many in one paragraph. */
function isTooNested(text: string): boolean {
  if (/(?:[ \t]*[>*+-]){60}|[[({_*~`<!]{400}|(?:!?\[[^\]\n]{0,4}){200}/.test(text)) return true;
  if (text.length < MANY_MARKERS) return false;
  return text
    .split(/\n[ \t]*\n/)
    .some((paragraph) => (paragraph.match(/[*_~`[<!]/g)?.length ?? 0) > MANY_MARKERS);
}

function blocks(tokens: Token[], depth: number): Block[] {
  if (depth > MAX_DEPTH) return tokens.map((token) => plain(token.raw));
  const result: Block[] = [];
  for (const token of tokens) {
    const block = readBlock(token, depth);
    if (block) result.push(block);
  }
  return result;
}

function readBlock(token: Token, depth: number): Block | null {
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading': {
      const children = inlines(token.tokens ?? [], depth);
      // Within a list or a quote it is a line that stands out.
      if (depth > 0) return { kind: 'paragraph', children: [{ kind: 'strong', children }] };
      return { kind: 'heading', level: (token as Tokens.Heading).depth, children };
    }
    case 'code':
      return {
        kind: 'code',
        language: ((token as Tokens.Code).lang ?? '').replace(/[^\w+#.-].*$/s, '').slice(0, 20),
        text: visibleText((token as Tokens.Code).text),
      };
    case 'blockquote':
      return { kind: 'quote', children: blocks(token.tokens ?? [], depth + 1) };
    case 'list': {
      const list = token as Tokens.List;
      const start = Number(list.start);
      return {
        kind: 'list',
        isOrdered: list.ordered,
        start: Number.isSafeInteger(start) ? start : 1,
        items: list.items.map((item) => ({
          isDone: item.task ? Boolean(item.checked) : null,
          children: blocks(
            item.tokens.filter((part) => part.type !== 'checkbox'),
            depth + 1,
          ),
        })),
      };
    }
    case 'table': {
      const table = token as Tokens.Table;
      return {
        kind: 'table',
        align: table.align,
        header: table.header.map((cell) => inlines(cell.tokens, depth)),
        rows: table.rows.map((row) => row.map((cell) => inlines(cell.tokens, depth))),
      };
    }
    case 'hr':
      return { kind: 'rule' };
    case 'paragraph':
    case 'text':
      return {
        kind: 'paragraph',
        children: token.tokens ? inlines(token.tokens, depth) : [shown(token.raw)],
      };
    default:
      // HTML among them: its source is the text.
      return { kind: 'paragraph', children: [shown(token.raw.trimEnd())] };
  }
}

function inlines(tokens: Token[], depth: number): Inline[] {
  if (depth > MAX_DEPTH) return tokens.map((token) => shown(token.raw));
  return tokens.flatMap((token) => readInline(token, depth));
}

function readInline(token: Token, depth: number): Inline[] {
  const children = () => inlines(('tokens' in token && token.tokens) || [], depth + 1);
  switch (token.type) {
    case 'strong':
      return [{ kind: 'strong', children: children() }];
    case 'em':
      return [{ kind: 'emphasis', children: children() }];
    case 'del':
      return [{ kind: 'deleted', children: children() }];
    case 'codespan':
      return [{ kind: 'code', text: visibleText((token as Tokens.Codespan).text) }];
    case 'br':
      return [{ kind: 'break' }];
    case 'checkbox':
      return [];
    case 'link': {
      const link = token as Tokens.Link;
      // A bare address is its own text; that of a mail has no scheme there.
      if (link.autolink) return [{ kind: 'link', children: [], address: address(link.text) }];
      return [{ kind: 'link', children: children(), address: address(withEntities(link.href)) }];
    }
    case 'image': {
      const image = token as Tokens.Image;
      return [{ kind: 'image', description: prose(image.text), address: address(withEntities(image.href)) }];
    }
    case 'escape':
      return [shown((token as Tokens.Escape).text)];
    case 'text':
      return token.tokens ? children() : [shown(withEntities((token as Tokens.Text).text))];
    default:
      return [shown(token.raw)];
  }
}

/** Addresses are text to be copied. They are cut, and never used to load or open anything. */
function address(href: string): string {
  const text = visibleText(href).trim();
  return text.length > 2000 ? text.slice(0, 2000) + '…' : text;
}

function shown(text: string): Inline {
  return { kind: 'text', text: prose(text) };
}
