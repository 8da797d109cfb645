import { type sendUnaryData, Server, type ServerUnaryCall } from '@grpc/grpc-js';
import {
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { serverCredentials } from '@posthorn/server/tls.js';
import { type Certificates } from '@posthorn/testing/test-certificates.js';
import { NO_FACTS } from './server-rig.js';

export interface OlderServer {
  readonly port: number;
  readonly address: string;
  calls: number;
  stop(): void;
}

/** A server of a version before `CallService`; its answers carry the number of the request. */
export async function startOlder(certificates: Certificates): Promise<OlderServer> {
  const server = new Server();
  const older = { port: 0, address: '', calls: 0, stop: () => server.forceShutdown() };
  server.addService(FactServiceService, {
    listFacts: (
      { request }: ServerUnaryCall<ListFactsRequest, ListFactsResponse>,
      answer: sendUnaryData<ListFactsResponse>,
    ) => {
      older.calls += 1;
      answer(null, { ...NO_FACTS, headSequence: request.afterSequence });
    },
    getHeads: (_call: unknown, answer: sendUnaryData<unknown>) => answer(null, {}),
  });
  const credentials = serverCredentials(certificates.of('events'));
  older.port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
  older.address = `127.0.0.1:${older.port}`;
  return older;
}
