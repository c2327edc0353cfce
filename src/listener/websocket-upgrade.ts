import { createHash, randomBytes } from 'node:crypto';
import { equalsIgnoringCase } from '../protocol/bytes.ts';
import { FIELD_CONTENT_LENGTH, FIELD_EXPECT, FIELD_HOST } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';

/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Whether an extended CONNECT asks for WebSocket (RFC 8441 section 5). */
export const asksForWebSocket = (head: Head): boolean =>
  equalsIgnoringCase(head.buffer, head.protocolStart, head.protocolEnd, 'websocket');

/** A fresh Sec-WebSocket-Key: HTTP/2 has none (RFC 8441 section 5.1). */
export const webSocketKey = (): string => randomBytes(16).toString('base64');

/**
 * The HTTP/1.1 request that asks for what the extended CONNECT in `head` asks for: as text, to be scanned.
 * @param key as `webSocketKey` makes it
 */
export function upgradeRequest(head: Head, key: string): Buffer {
  const { buffer } = head;
  const text = (start: number, end: number): string => buffer.toString('latin1', start, end);
  const authority = text(head.authorityStart, head.authorityEnd);
  const lines = [
    `GET ${head.secure ? 'https' : 'http'}://${authority}${head.pathText()} HTTP/1.1`,
    `host: ${authority}`,
    'connection: upgrade',
    'upgrade: websocket',
    `sec-websocket-key: ${key}`,
  ];
  for (let index = 0; index < head.fieldCount; index++) {
    const name = head.nameText(index);
    const id = head.idAt(index);
    // What follows is no body: a server that waited for one would take the next request on the connection for it.
    const ofBody = id === FIELD_CONTENT_LENGTH || id === FIELD_EXPECT;
    const dropped = head.dropped[index] === 1 || id === FIELD_HOST || ofBody;
    if (!dropped && name !== 'sec-websocket-key') lines.push(`${name}: ${head.valueText(index)}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/**
 * The fields of the 101 in `head` that pass on with the answer to the extended CONNECT.
 * @returns null where the server did not prove that it had understood the request
 */
export function acceptedFields(head: Head, key: string): [string, string][] | null {
  const expected = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  let proven = false;
  const fields: [string, string][] = [];
  for (let index = 0; index < head.fieldCount; index++) {
    const name = head.nameText(index).toLowerCase();
    if (name === 'sec-websocket-accept') proven = head.valueText(index) === expected;
    // The answer that opens a tunnel has no length (RFC 9110 section 9.3.6).
    else if (head.dropped[index] !== 1 && head.idAt(index) !== FIELD_CONTENT_LENGTH)
      fields.push([name, head.valueText(index)]);
  }
  return proven ? fields : null;
}
