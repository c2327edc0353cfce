import { FrameReader, type FrameSink } from '../../../src/protocol/http2/frame-reader.ts';
import type { Role } from '../../../src/protocol/http2/frame-rules.ts';
import { errorName, PREFACE } from '../../../src/protocol/http2/frame-types.ts';
import { rawFrame } from '../../http2/raw-frame.ts';

/**
 * Writes down what a frame reader tells, a line for each call; the pieces of one DATA frame become one line. A call that breaks
 * the interface (a piece without a beginning, anything after a connection error) throws.
 */
export class FrameRecorder implements FrameSink {
  readonly calls: string[] = [];

  /** Called after each call, with its line. */
  onCall: (call: string) => void = () => {};
  #over = false;
  #data: { stream: number; bytes: string; flow: number } | null = null;

  #note(call: string): void {
    if (this.#over) throw new Error(`told after a connection error: ${call}`);
    this.#data = null;
    this.calls.push(call);
    this.onCall(call);
  }

  frameHeaders(stream: number, buffer: Buffer, start: number, end: number, endStream: boolean): void {
    this.#note(`HEADERS ${stream} ${buffer.toString('hex', start, end)}${endStream ? ' END_STREAM' : ''}`);
  }

  frameData(
    stream: number,
    buffer: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endStream: boolean,
    first: boolean,
  ): void {
    if (!first && this.#data === null) throw new Error('a piece of DATA without its beginning');
    const earlier = first ? null : this.#data;
    if (earlier !== null && earlier.stream !== stream) throw new Error('DATA changed its stream');
    if (end - start > flowBytes) throw new Error('DATA takes less of the window than it has bytes');
    if (earlier !== null) this.calls.pop();

    const data = {
      stream,
      bytes: (earlier?.bytes ?? '') + buffer.toString('latin1', start, end),
      flow: (earlier?.flow ?? 0) + flowBytes,
    };
    this.#note(`DATA ${stream} "${data.bytes}" flow ${data.flow}${endStream ? ' END_STREAM' : ''}`);
    // Whether the frame goes on is known by the next call alone.
    this.#data = data;
  }

  frameReset(stream: number, code: number): void {
    this.#note(`RST_STREAM ${stream} ${errorName(code)}`);
  }

  frameSetting(id: number, value: number): void {
    this.#note(`setting ${id} = ${value}`);
  }

  frameSettingsEnd(): void {
    this.#note('SETTINGS');
  }

  frameSettingsAck(): void {
    this.#note('SETTINGS ACK');
  }

  framePing(buffer: Buffer, start: number): void {
    this.#note(`PING ${buffer.toString('latin1', start, start + 8)}`);
  }

  framePingAck(buffer: Buffer, start: number): void {
    this.#note(`PING ACK ${buffer.toString('latin1', start, start + 8)}`);
  }

  frameGoaway(lastStream: number, code: number, buffer: Buffer, start: number, end: number): void {
    this.#note(`GOAWAY ${lastStream} ${errorName(code)} "${buffer.toString('latin1', start, end)}"`);
  }

  frameWindowUpdate(stream: number, increment: number): void {
    this.#note(`WINDOW_UPDATE ${stream} ${increment}`);
  }

  framePriority(stream: number): void {
    this.#note(`PRIORITY ${stream}`);
  }

  frameUnknown(type: number): void {
    this.#note(`unknown ${type}`);
  }

  frameStreamError(stream: number, code: number, rule: string): void {
    if (rule === '') throw new Error('no rule');
    this.#note(`stream error ${stream} ${errorName(code)}`);
  }

  frameConnectionError(code: number, rule: string): void {
    if (rule === '') throw new Error('no rule');
    this.#note(`connection error ${errorName(code)}`);
    this.#over = true;
  }
}

/** An empty SETTINGS frame. */
export const SETTINGS = rawFrame(4, 0, 0);

/** What a reader tells of `parts`, each a read of its own; the last of `calls` may be of a frame that is not whole. */
export function readParts(role: Role, parts: readonly Buffer[], maxBlockBytes = 65_536): FrameRecorder {
  const recorder = new FrameRecorder();
  const reader = new FrameReader(role, recorder, maxBlockBytes);
  for (const part of parts) {
    // Not at the beginning of its memory, as in a real read; and what lies behind it is no part of it.
    const memory = Buffer.concat([Buffer.from('before'), part, Buffer.from('behind')]);
    reader.read(memory, 6, 6 + part.length);
    memory.fill(0x55);
  }
  return recorder;
}

/** The calls for `frames` behind the preface and the client's first SETTINGS, without the call for those. */
export function readFrames(...frames: readonly Buffer[]): string[] {
  const [first, ...rest] = readParts('server', [Buffer.concat([PREFACE, SETTINGS, ...frames])]).calls;
  if (first !== 'SETTINGS') throw new Error('the first SETTINGS were not told');
  return rest;
}

/** The same of frames that a server sends. */
export function readFromServer(...frames: readonly Buffer[]): string[] {
  const [first, ...rest] = readParts('client', [Buffer.concat([SETTINGS, ...frames])]).calls;
  if (first !== 'SETTINGS') throw new Error('the first SETTINGS were not told');
  return rest;
}
