import { connect } from 'node:http2';

const DEADLINE_MS = 5000;

export type Http2ProbeRequest = {
  readonly port: number;
  /** The authority that is asked for; the connection goes to `port` of loopback. */
  readonly host: string;
  readonly path: string;
  /** Bytes of a POST body, or 0: GET. */
  readonly post: number;
  /** Whether the answer has to end with a `grpc-status` of 0. */
  readonly grpc: boolean;
};

/**
 * One HTTP/2 request with prior knowledge on a connection of its own, by Node's client, which reads what the load
 * generator does not: field blocks. @throws unless the answer is a 200 with `wantedBytes` of body within 5 s
 */
export function probeHttp2(request: Http2ProbeRequest, wantedBytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${request.port}`);
    let status: unknown;
    let grpcStatus: unknown;
    let bodyBytes = 0;
    const deadline = setTimeout(() => finish('no complete answer within 5 s'), DEADLINE_MS);
    const finish = (problem: string | null): void => {
      clearTimeout(deadline);
      session.destroy();
      if (problem === null) resolve();
      else reject(new Error(problem));
    };
    session.once('error', (error) => finish(error.message));
    const stream = session.request({
      ':method': request.post > 0 ? 'POST' : 'GET',
      ':path': request.path,
      ':authority': request.host,
      ...(request.grpc ? { 'content-type': 'application/grpc', te: 'trailers' } : {}),
    });
    stream.once('error', (error) => finish(error.message));
    stream.once('response', (fields) => {
      status = fields[':status'];
    });
    stream.once('trailers', (fields) => {
      grpcStatus = fields['grpc-status'];
    });
    stream.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length;
    });
    stream.once('close', () => {
      if (status !== 200) finish(`status ${status}, not 200`);
      else if (bodyBytes !== wantedBytes) finish(`${bodyBytes} bytes of body, not ${wantedBytes}`);
      else if (request.grpc && grpcStatus !== '0') finish(`grpc-status ${grpcStatus}, not 0`);
      else finish(null);
    });
    // A GET has ended already.
    if (request.post > 0) stream.end(Buffer.alloc(request.post));
  });
}
