import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { RequestError } from '../../src/backend/backend';
import { Connection, type LinkHandlers, type Transport } from '../../src/backend/connection';
import { MAX_FRAME, parseFrame } from '../../src/backend/frames';

/** A transport whose other end the test plays. */
class Played implements Transport {
  sent: { id: string; method: string; params: unknown }[] = [];
  handlers: LinkHandlers | null = null;
  opened = 0;
  refuses: string | null = null;
  closed = 0;

  async open(handlers: LinkHandlers) {
    this.opened += 1;
    if (this.refuses) throw new Error(this.refuses);
    this.handlers = handlers;
    return {
      send: async (text: string) => {
        this.sent.push(JSON.parse(text));
      },
      close: () => {
        this.closed += 1;
      },
    };
  }

  says(frame: unknown): void {
    this.handlers?.frame(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  welcomes(): void {
    this.says({ type: 'event', event: 'tidegate.welcome', payload: { version: '0.1.0', desktop: true } });
  }

  answers(at: number, payload: unknown): void {
    this.says({ type: 'res', id: this.sent[at]?.id, ok: true, payload });
  }
}

let transport: Played;
let connection: Connection;

beforeEach(async () => {
  vi.useFakeTimers();
  transport = new Played();
  connection = new Connection(transport);
  await vi.advanceTimersByTimeAsync(0);
});
afterEach(() => vi.useRealTimers());

describe('state', () => {
  test('it is connected once the gateway welcomed the window, not before', () => {
    expect(connection.state.kind).toBe('starting');
    transport.welcomes();
    expect(connection.state).toEqual({ kind: 'connected', version: '0.1.0' });
  });

  test('frames that come before the link is there are not lost', async () => {
    const early: Transport = {
      async open(handlers) {
        handlers.frame('{"type":"event","event":"tidegate.welcome","payload":{"version":"1"}}');
        return { send: async () => undefined, close: () => undefined };
      },
    };
    const other = new Connection(early);
    await vi.advanceTimersByTimeAsync(0);
    expect(other.state.kind).toBe('connected');
  });

  test('a refusal by the gateway is a reason that a person reads', () => {
    transport.says({ type: 'event', event: 'tidegate.refused', payload: { reason: 'tools are not let in' } });
    expect(connection.state).toMatchObject({ kind: 'lost', reason: 'Tools are not let in.' });
  });

  test('a lost gateway is tried again, later each time, and at once when the person asks', async () => {
    transport.welcomes();
    transport.refuses = 'it does not run';
    transport.handlers?.closed('the gateway stopped');
    expect(connection.state).toMatchObject({ kind: 'lost', reason: 'The gateway stopped.' });
    await vi.advanceTimersByTimeAsync(500);
    expect(transport.opened).toBe(2);
    await vi.advanceTimersByTimeAsync(999);
    expect(transport.opened).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(transport.opened).toBe(3);
    transport.refuses = null;
    connection.reconnect();
    await vi.advanceTimersByTimeAsync(0);
    transport.welcomes();
    expect(connection.state.kind).toBe('connected');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(transport.opened).toBe(4);
  });

  test('waits of more than ten seconds do not happen', async () => {
    transport.refuses = 'it does not run';
    transport.handlers?.closed('gone');
    await vi.advanceTimersByTimeAsync(120_000);
    const before = transport.opened;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(transport.opened).toBeGreaterThan(before);
  });

  test('what an old link still says changes nothing', async () => {
    const old = transport.handlers;
    transport.welcomes();
    old?.closed('gone');
    await vi.advanceTimersByTimeAsync(500);
    old?.frame('{"type":"event","event":"tidegate.welcome","payload":{}}');
    expect(connection.state.kind).toBe('lost');
    old?.closed('gone again');
    transport.welcomes();
    expect(connection.state.kind).toBe('connected');
  });

  test('after long silence the gateway is asked for a sign of life, and without one it is lost', async () => {
    transport.welcomes();
    await vi.advanceTimersByTimeAsync(75_000);
    expect(transport.sent.at(-1)?.method).toBe('health');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(connection.state).toMatchObject({ kind: 'lost', reason: 'The gateway gives no sign of life.' });
  });

  test('signs of life keep it connected', async () => {
    transport.welcomes();
    for (let at = 0; at < 10; at += 1) {
      await vi.advanceTimersByTimeAsync(30_000);
      transport.says({ type: 'event', event: 'tick', payload: { ts: 1 } });
    }
    expect(connection.state.kind).toBe('connected');
    expect(transport.sent).toEqual([]);
  });

  test('a gateway that never greets is tried again', async () => {
    await vi.advanceTimersByTimeAsync(75_000);
    expect(connection.state.kind).toBe('lost');
  });
});

describe('requests', () => {
  beforeEach(() => transport.welcomes());

  test('answers reach their requests in whatever order they come', async () => {
    const status = connection.request('tidegate.status', {});
    const audit = connection.request('tidegate.audit', { limit: 3 });
    transport.answers(1, { events: [] });
    transport.answers(0, { version: '0.1.0' });
    expect(await audit).toEqual({ events: [] });
    expect(await status).toEqual({ version: '0.1.0' });
    expect(transport.sent[1]).toMatchObject({ type: 'req', method: 'tidegate.audit', params: { limit: 3 } });
  });

  test('the run that answers twice tells its acceptance and then its result', async () => {
    const accepted = vi.fn();
    const run = connection.request(
      'agent',
      { message: 'hello', idempotencyKey: 'k' },
      { onAccepted: accepted, timeoutMs: null },
    );
    transport.answers(0, { runId: 'r', status: 'accepted' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(accepted).toHaveBeenCalledExactlyOnceWith({ runId: 'r', status: 'accepted' });
    transport.answers(0, { runId: 'r', status: 'ok' });
    expect(await run).toEqual({ runId: 'r', status: 'ok' });
  });

  test('an ordinary method whose answer says accepted is answered once', async () => {
    const send = connection.request('chat.send', { sessionKey: 's', message: 'm', idempotencyKey: 'k' });
    transport.answers(0, { runId: 'k', status: 'accepted' });
    expect(await send).toEqual({ runId: 'k', status: 'accepted' });
  });

  test('a second answer to the same id is not listened to', async () => {
    const status = connection.request('tidegate.status', {});
    transport.answers(0, { version: 'first' });
    transport.answers(0, { version: 'second' });
    expect(await status).toEqual({ version: 'first' });
  });

  test('a refusal carries the sentence and the code of the gateway', async () => {
    const status = connection.request('tidegate.status', {});
    const error = { code: 'FORBIDDEN', message: 'this is decided in the dialog' };
    transport.says({ type: 'res', id: transport.sent[0]?.id, ok: false, error });
    await expect(status).rejects.toMatchObject({
      kind: 'refused',
      message: 'This is decided in the dialog.',
      shape: { code: 'FORBIDDEN' },
    });
  });

  test('a refusal without a reason is still a sentence', async () => {
    const status = connection.request('tidegate.status', {});
    transport.says({ type: 'res', id: transport.sent[0]?.id, ok: false });
    await expect(status).rejects.toThrow('refused this without saying why');
  });

  test('what waits when the gateway goes away is reported as such', async () => {
    const status = connection.request('tidegate.status', {});
    transport.handlers?.closed('gone');
    await expect(status).rejects.toMatchObject({ kind: 'lost' });
  });

  test('nothing is sent while the gateway is away', async () => {
    transport.handlers?.closed('gone');
    await expect(connection.request('tidegate.status', {})).rejects.toBeInstanceOf(RequestError);
    expect(transport.sent).toEqual([]);
  });

  test('an answer that does not come is given up after its time', async () => {
    const status = connection.request('tidegate.status', {});
    const outcome = expect(status).rejects.toMatchObject({ kind: 'timeout' });
    await vi.advanceTimersByTimeAsync(30_000);
    await outcome;
  });

  test('what is too long is refused here, with what to do', async () => {
    const message = 'x'.repeat(MAX_FRAME);
    const send = connection.request('chat.send', { sessionKey: 's', message, idempotencyKey: 'k' });
    await expect(send).rejects.toMatchObject({
      kind: 'oversized',
      message: expect.stringContaining('shorter'),
    });
    expect(transport.sent).toEqual([]);
  });

  test('length is counted in bytes, as the gateway counts', async () => {
    const message = 'ä'.repeat(MAX_FRAME / 2);
    const send = connection.request('chat.send', { sessionKey: 's', message, idempotencyKey: 'k' });
    await expect(send).rejects.toMatchObject({ kind: 'oversized' });
  });
});

describe('events', () => {
  beforeEach(() => transport.welcomes());

  test('listeners get the payload until they end it', () => {
    const heard = vi.fn();
    const end = connection.on('tidegate.changed', heard);
    transport.says({ type: 'event', event: 'tidegate.changed', payload: {} });
    end();
    transport.says({ type: 'event', event: 'tidegate.changed', payload: {} });
    expect(heard).toHaveBeenCalledTimes(1);
  });

  test('frames that are not understood change nothing', () => {
    const warned = vi.spyOn(console, 'warn').mockReturnValue();
    const frames = [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '{"type":"event"}',
      '{"type":"res","id":7}',
      '{"type":"req"}',
    ];
    for (const frame of frames) transport.says(frame);
    expect(connection.state.kind).toBe('connected');
    expect(warned).toHaveBeenCalledTimes(frames.length);
    warned.mockRestore();
  });

  test('a frame longer than the gateway may send is not read', () => {
    expect(parseFrame(`{"type":"event","event":"x","payload":"${'x'.repeat(MAX_FRAME)}"}`)).toBeNull();
  });

  test('names that every object has are no events and no answers', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      transport.says(`{"type":"event","event":"${name}","payload":{"x":1}}`);
      transport.says(`{"type":"res","id":"${name}","ok":true,"payload":{}}`);
    }
    expect(connection.state.kind).toBe('connected');
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });
});
