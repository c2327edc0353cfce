import {
  FIELD_AUTHORIZATION,
  FIELD_COOKIE,
  FIELD_NOT_IN_TRAILERS,
  FIELD_PROXY_AUTHORIZATION,
} from '../protocol/field-names.ts';
import { type Head, METHOD_TRACE } from '../protocol/head.ts';

/** The answer to TRACE or OPTIONS with `Max-Forwards: 0`, whose final recipient is carpool (RFC 9110 sections 7.6.2, 9.3.7, 9.3.8). */
export function ownAnswer(head: Head, connection: string): Buffer {
  const connectionLine = connection === 'none' ? '' : `connection: ${connection}\r\n`;
  if (head.method !== METHOD_TRACE) {
    return Buffer.from(
      `HTTP/1.1 200 OK\r\nallow: GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH, CONNECT\r\ncontent-length: 0\r\n${connectionLine}\r\n`,
      'latin1',
    );
  }
  // The request is sent back without what is nobody else's: credentials and cookies.
  let body = `${head.buffer.toString('latin1', head.start, head.lineEnd)}\r\n`;
  for (let index = 0; index < head.fieldCount; index++) {
    const id = head.idAt(index);
    if (
      id === FIELD_AUTHORIZATION ||
      id === FIELD_PROXY_AUTHORIZATION ||
      id === FIELD_NOT_IN_TRAILERS ||
      id === FIELD_COOKIE
    )
      continue;
    body += `${head.nameText(index)}: ${head.valueText(index)}\r\n`;
  }
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: message/http\r\ncontent-length: ${body.length}\r\n${connectionLine}\r\n${body}`,
    'latin1',
  );
}
