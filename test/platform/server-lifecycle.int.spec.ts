import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { AppendServiceService, FactServiceService } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient, openStream } from '@posthorn/server/grpc-client.js';
import { watcherOf } from '@posthorn/server/tls.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import {
  channel,
  echo,
  facts,
  FACTS,
  failure,
  next,
  NO_FACTS,
  rig,
  script,
  start,
  TIMES,
  useRig,
} from './server-rig.js';

useRig();

test('B7 renewed certificates are taken without a restart, a broken file changes nothing', async () => {
  script.listFacts = async () => NO_FACTS;
  const before = await fingerprint();
  const { certFile, keyFile } = rig.certificates.of('events');
  const [cert, key] = [await readFile(certFile), await readFile(keyFile)];
  await writeFile(certFile, '-----BEGIN CERT');
  await watcherOf(rig.running.process.tls).refresh();
  expect(await fingerprint()).toBe(before);
  await writeFile(certFile, cert);
  await writeFile(keyFile, key);
  await rm(certFile);
  await makeCertificates(rig.dir, ['events']);
  await watcherOf(rig.running.process.tls).refresh();
  expect(await fingerprint()).not.toBe(before);
  await facts().listFacts(FACTS, TIMES);
});

async function fingerprint(): Promise<string> {
  const { certFile, keyFile, caFile } = rig.certificates.of('ingress');
  const [host, port] = rig.running.service.address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host,
        port: Number(port),
        cert: readFileSync(certFile),
        key: readFileSync(keyFile),
        ca: readFileSync(caFile),
        servername: 'events',
        ALPNProtocols: ['h2'],
      },
      () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      },
    );
    socket.once('error', reject);
  });
}

test('H2 health and metrics are served beside the calls', async () => {
  script.listFacts = async () => NO_FACTS;
  const get = async (path: string) => {
    const answer = await fetch(`http://${rig.running.service.healthAddress}${path}`);
    return { status: answer.status, body: await answer.text() };
  };
  await facts().listFacts(FACTS, TIMES);
  await facts('ingress')
    .listFacts(FACTS, TIMES)
    .catch(() => {});
  expect(await get('/health/live')).toMatchObject({ status: 200 });
  expect(await get('/health/ready')).toEqual({
    status: 200,
    body: '{"status":"ready","checks":{"start":"ok"}}',
  });
  expect((await get('/nothing')).status).toBe(404);
  const { body } = await get('/metrics');
  expect(body).toContain(
    'posthorn_grpc_server_calls_total{method="/posthorn.events.v1.FactService/ListFacts",code="ok"}',
  );
  expect(body).toContain('code="caller.forbidden"');
});

test('I3 draining: calls in flight finish, streams may end in order, new connections are refused', async () => {
  script.hooks = [];
  const { service, process } = await start();
  const address = service.address;
  let answer = (): void => {};
  script.listFacts = () => new Promise((resolve) => (answer = () => resolve(NO_FACTS)));
  script.append = (call) => {
    echo(call);
    process.health.onDraining(() => call.write({ batch: 99n, results: [] }, () => call.end()));
  };
  const inFlight = grpcClient(FactServiceService, channel('dispatcher', { address })).listFacts(FACTS, TIMES);
  const stream = await openStream(channel('ingress', { address }), AppendServiceService.append);
  stream.write({ batch: 1n, requests: [] });
  await next(stream);
  const [last, ended] = [next(stream), new Promise((resolve) => stream.once('close', resolve))];
  const closed = service.close();
  expect((await last).batch).toBe(99n);
  expect(script.hooks).toEqual(['bootstrap']);
  await ended;
  const ready = await fetch(`http://${service.healthAddress}/health/ready`);
  expect(ready.status).toBe(503);
  answer();
  await inFlight;
  await closed;
  expect(script.hooks).toEqual(['bootstrap', 'shutdown']); // clients and pools close after the last call
  const late = grpcClient(FactServiceService, channel('dispatcher', { address }));
  await expect(late.listFacts(FACTS, { deadlineMs: 500 })).rejects.toMatchObject({
    code: expect.stringMatching(/^service\./),
  });
});

test('I3 a stream whose handler does not end it is ended, so that draining is bounded', async () => {
  const { service } = await start('1000');
  script.append = echo;
  const stream = await openStream(
    channel('ingress', { address: service.address }),
    AppendServiceService.append,
  );
  stream.write({ batch: 1n, requests: [] });
  await next(stream);
  const startMs = performance.now();
  const error = failure(stream);
  await service.close();
  expect(await error).toMatchObject({ code: 'service.unavailable', detail: 'draining' });
  expect(performance.now() - startMs).toBeLessThan(1_500);
});
