import {
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FLOW_CONTROL_ERROR,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_SIZE_ERROR,
  FRAME_WINDOW_UPDATE,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  PROTOCOL_ERROR,
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_ENABLE_PUSH,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_FRAME_SIZE,
  SETTING_NO_RFC7540_PRIORITIES,
} from './frame-types.ts';

/** Whose side of the connection is ours. */
export type Role = 'server' | 'client';

/** A broken rule and the error code that RFC 9113 names for it. */
export type FrameFault = { readonly code: number; readonly rule: string };

const protocol = (rule: string): FrameFault => ({ code: PROTOCOL_ERROR, rule });
const size = (rule: string): FrameFault => ({ code: FRAME_SIZE_ERROR, rule });

/** No honest peer names more settings in a frame, and each change of the window visits every stream. */
const MAX_SETTINGS = 32;

const TOO_LONG = size(`a frame has at most ${MAX_FRAME_BYTES} bytes`);
const ON_NO_STREAM = protocol('DATA, HEADERS, PRIORITY, RST_STREAM and CONTINUATION belong to a stream');
const ON_A_STREAM = protocol('SETTINGS, PING and GOAWAY belong to the connection');
const IN_A_BLOCK = protocol('nothing but its CONTINUATION may follow a field block without END_HEADERS');
const NO_BLOCK = protocol('a CONTINUATION frame must follow a field block without END_HEADERS');
const PAD_ROOM = size('a padded frame has a byte for the length of its padding');
const PRIORITY_ROOM = size('a HEADERS frame with PRIORITY has five bytes for it');
const RESET_SIZE = size('an RST_STREAM frame has four bytes');
const PING_SIZE = size('a PING frame has eight bytes');
const GOAWAY_SIZE = size('a GOAWAY frame has at least eight bytes');
const UPDATE_SIZE = size('a WINDOW_UPDATE frame has four bytes');
const SETTINGS_SIZE = size('a SETTINGS frame is made of settings of six bytes');
const SETTINGS_COUNT: FrameFault = { code: ENHANCE_YOUR_CALM, rule: `a frame has at most ${MAX_SETTINGS} settings` };
const ACK_SIZE = size('the acknowledgement of SETTINGS is empty');
const PUSH = protocol('no PUSH_PROMISE is taken: a client sends none, and we ask no server for one');

export const PADDING = protocol('padding must leave room for the fields of its frame');
export const NOT_SETTINGS = protocol('a peer must begin with a SETTINGS frame');
export const NO_PREFACE = protocol("a client must begin with HTTP/2's preface");
export const DEPENDS_ON_ITSELF = protocol('a stream must not depend on itself');
export const NO_INCREMENT = protocol('a WINDOW_UPDATE must be by more than zero');
export const PRIORITY_SIZE = size('a PRIORITY frame has five bytes');
export const BLOCK_TOO_LONG: FrameFault = {
  code: ENHANCE_YOUR_CALM,
  rule: 'a field block was too long, or in too many pieces',
};

/**
 * What is wrong with a frame by its header alone, for the whole connection (RFC 9113 sections 4.2 and 6), or null.
 * @param block the stream of a field block that is under way, or 0
 */
export function frameFault(
  type: number,
  flags: number,
  length: number,
  stream: number,
  block: number,
): FrameFault | null {
  if (length > MAX_FRAME_BYTES) return TOO_LONG;
  if (block !== 0 && (type !== FRAME_CONTINUATION || stream !== block)) return IN_A_BLOCK;
  switch (type) {
    case FRAME_DATA:
      if (stream === 0) return ON_NO_STREAM;
      return (flags & FLAG_PADDED) !== 0 && length === 0 ? PAD_ROOM : null;
    case FRAME_HEADERS: {
      if (stream === 0) return ON_NO_STREAM;
      const padding = (flags & FLAG_PADDED) !== 0 ? 1 : 0;
      if (length < padding) return PAD_ROOM;
      return (flags & FLAG_PRIORITY) !== 0 && length < padding + 5 ? PRIORITY_ROOM : null;
    }
    case FRAME_PRIORITY:
      // Its length is an error of the stream alone.
      return stream === 0 ? ON_NO_STREAM : null;
    case FRAME_RST_STREAM:
      if (stream === 0) return ON_NO_STREAM;
      return length === 4 ? null : RESET_SIZE;
    case FRAME_SETTINGS:
      if (stream !== 0) return ON_A_STREAM;
      if ((flags & FLAG_ACK) !== 0) return length === 0 ? null : ACK_SIZE;
      if (length % 6 !== 0) return SETTINGS_SIZE;
      return length > MAX_SETTINGS * 6 ? SETTINGS_COUNT : null;
    case FRAME_PUSH_PROMISE:
      return PUSH;
    case FRAME_PING:
      if (stream !== 0) return ON_A_STREAM;
      return length === 8 ? null : PING_SIZE;
    case FRAME_GOAWAY:
      if (stream !== 0) return ON_A_STREAM;
      return length >= 8 ? null : GOAWAY_SIZE;
    case FRAME_WINDOW_UPDATE:
      return length === 4 ? null : UPDATE_SIZE;
    case FRAME_CONTINUATION:
      return block === 0 ? NO_BLOCK : null;
    default:
      return null;
  }
}

const BOOLEAN = protocol('a setting that switches something is 0 or 1');
const SERVER_PUSH = protocol('a server must not switch push on');
const WINDOW_TOO_LARGE: FrameFault = {
  code: FLOW_CONTROL_ERROR,
  rule: `a window has at most ${MAX_WINDOW} bytes`,
};
const FRAME_SIZE_RANGE = protocol('SETTINGS_MAX_FRAME_SIZE is between 16384 and 16777215');

/** What is wrong with a setting that the peer of `role` sent (RFC 9113 section 6.5.2, RFC 8441, RFC 9218), or null. */
export function settingFault(role: Role, id: number, value: number): FrameFault | null {
  switch (id) {
    case SETTING_ENABLE_PUSH:
      if (value > 1) return BOOLEAN;
      return role === 'client' && value === 1 ? SERVER_PUSH : null;
    case SETTING_INITIAL_WINDOW_SIZE:
      return value > MAX_WINDOW ? WINDOW_TOO_LARGE : null;
    case SETTING_MAX_FRAME_SIZE:
      return value < MAX_FRAME_BYTES || value > 0xffffff ? FRAME_SIZE_RANGE : null;
    case SETTING_ENABLE_CONNECT_PROTOCOL:
    case SETTING_NO_RFC7540_PRIORITIES:
      return value > 1 ? BOOLEAN : null;
    default:
      return null;
  }
}
