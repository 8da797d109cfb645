import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { AppendServiceService, FactServiceService } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient, openStream } from '@posthorn/server/grpc-client.js';
import { channel, echo, FACTS, next, NO_FACTS, REQUEST, script, start, useRig } from './server-rig.js';

/** Longer than a connection is silent before its client asks whether the server is there: 10 s. */
const CALL_MS = 11_500;
const AGE_MS = 500;
const TIMEOUT_MS = 40_000;

useRig();

test(
  'I3 I6 a call and a stream outlive the connection that aged under them, until they are answered',
  async () => {
    const { service } = await start(undefined, { GRPC_CONNECTION_AGE_MS: String(AGE_MS) });
    const { address } = service;
    const startedAtMs: number[] = [];
    script.append = echo;
    script.listFacts = async () => {
      startedAtMs.push(performance.now());
      await new Promise((done) => setTimeout(done, CALL_MS));
      return NO_FACTS;
    };
    const stream: Duplex = await openStream(channel('ingress', { address }), AppendServiceService.append);
    stream.write({ batch: 1n, requests: [REQUEST] });
    expect((await next(stream)).batch).toBe(1n);

    const client = grpcClient(FactServiceService, channel('dispatcher', { address }));
    expect(await client.listFacts(FACTS, { deadlineMs: 2 * CALL_MS })).toEqual(NO_FACTS);
    // It was begun once: nobody sent it again.
    expect(startedAtMs).toHaveLength(1);
    stream.write({ batch: 2n, requests: [REQUEST] });
    expect((await next(stream)).batch).toBe(2n);
    stream.end();
    await once(stream, 'close');
    await service.close();
  },
  TIMEOUT_MS,
);
