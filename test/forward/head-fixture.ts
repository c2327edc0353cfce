import { Head } from '../../src/protocol/head.ts';
import { HeadScanner, SCAN_DONE } from '../../src/protocol/http1/head-scanner.ts';

/** One scanner: a head is valid until the next is read. */
export const scanner = new HeadScanner(new Head(200), {
  maxHeadBytes: 65_536,
  maxFields: 200,
  maxTargetBytes: 16_384,
});

export function headOf(text: string): Head {
  const bytes = Buffer.from(text, 'latin1');
  if (scanner.scanRequest(bytes, 0, bytes.length) !== SCAN_DONE) throw new Error(scanner.fault.rule);
  return scanner.head;
}

export function responseHeadOf(text: string): Head {
  const bytes = Buffer.from(text, 'latin1');
  if (scanner.scanResponse(bytes, 0, bytes.length) !== SCAN_DONE) throw new Error(scanner.fault.rule);
  return scanner.head;
}
