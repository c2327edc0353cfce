import type { AnswerParts } from '../forward/local-answer.ts';
import {
  FIELD_AUTHORIZATION,
  FIELD_COOKIE,
  FIELD_NOT_IN_TRAILERS,
  FIELD_PROXY_AUTHORIZATION,
} from '../protocol/field-names.ts';
import { type Head, METHOD_TRACE } from '../protocol/head.ts';

/**
 * The answer to TRACE or OPTIONS with `Max-Forwards: 0`, whose final recipient is carpool (RFC 9110 sections 7.6.2, 9.3.7,
 * 9.3.8). Its status is 200.
 */
export function ownAnswer(head: Head): AnswerParts {
  if (head.method !== METHOD_TRACE) {
    return {
      fields: [
        ['allow', 'GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH, CONNECT'],
        ['content-length', '0'],
        ['proxy-status', 'carpool'],
      ],
      body: Buffer.alloc(0),
    };
  }
  // The request is sent back without what is nobody else's: credentials and cookies.
  let text = `${head.buffer.toString('latin1', head.start, head.lineEnd)}\r\n`;
  for (let index = 0; index < head.fieldCount; index++) {
    const id = head.idAt(index);
    if (
      id === FIELD_AUTHORIZATION ||
      id === FIELD_PROXY_AUTHORIZATION ||
      id === FIELD_NOT_IN_TRAILERS ||
      id === FIELD_COOKIE
    )
      continue;
    text += `${head.nameText(index)}: ${head.valueText(index)}\r\n`;
  }
  const body = Buffer.from(text, 'latin1');
  return {
    fields: [
      ['content-type', 'message/http'],
      ['content-length', String(body.length)],
    ],
    body,
  };
}
