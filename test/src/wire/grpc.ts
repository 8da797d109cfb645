// Calls a gRPC method as a stranger would. Source: gRPC, "gRPC over HTTP2", read 2026-11.
import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';

/** Certificates in PEM files: one for us, one for who signed the server's. */
export interface GrpcIdentity {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

const FRAME_HEAD_BYTES = 5;

/** One connection to a service. */
export class GrpcCaller {
  private readonly session: ClientHttp2Session;

  constructor(port: number, { certFile, keyFile, caFile }: GrpcIdentity) {
    const [cert, key, ca] = [certFile, keyFile, caFile].map((file) => readFileSync(file));
    this.session = connect(`https://localhost:${port}`, { cert: cert!, key: key!, ca: ca! });
    this.session.on('error', () => undefined); // each call fails with it
  }

  /** @throws Error with the status when it is not OK. */
  call(method: string, message: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request({
        ':method': 'POST',
        ':path': method,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let status: unknown;
      stream.on('response', (headers) => (status = headers['grpc-status']));
      stream.on('trailers', (trailers) => (status = trailers['grpc-status']));
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        if (status === '0') resolve(Buffer.concat(chunks).subarray(FRAME_HEAD_BYTES));
        else reject(new Error(`${method}: gRPC status ${String(status)}`));
      });
      const head = Buffer.alloc(FRAME_HEAD_BYTES);
      head.writeUInt32BE(message.length, 1);
      stream.end(Buffer.concat([head, message]));
    });
  }

  close(): void {
    this.session.destroy();
  }
}
