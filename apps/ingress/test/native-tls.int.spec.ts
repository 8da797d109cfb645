import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { createHash, X509Certificate } from 'node:crypto';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { type Certificates } from '@posthorn/testing/test-certificates.js';
import { startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

let folder: string;
let ours: Certificates;
let strangers: Certificates;
let certFile: string;
let keyFile: string;
let ingress: TestIngress;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-intake-tls-'));
  ours = await makeCertificates(join(folder, 'ours'), ['intake', 'sender', 'renewed']);
  strangers = await makeCertificates(join(folder, 'strangers'), ['sender']);
  [certFile, keyFile] = [join(folder, 'intake.crt'), join(folder, 'intake.key')];
  await install('intake');
  ingress = await startIngress({
    ...{ intakeTlsCertFile: certFile, intakeTlsKeyFile: keyFile },
    intakeClientCaFile: ours.of('sender').caFile,
  });
}, 30_000);
afterAll(async () => {
  closeConnections();
  await ingress.close();
  await rm(folder, { recursive: true, force: true });
});

async function install(service: string): Promise<void> {
  const from = ours.of(service);
  for (const [source, target] of [
    [from.keyFile, keyFile],
    [from.certFile, certFile],
  ] as const) {
    await writeFile(`${target}.new`, await readFile(source), { mode: 0o600 });
    await rename(`${target}.new`, target);
  }
}

interface Client {
  readonly certFile: string;
  readonly keyFile: string;
}

/** One request over a connection of its own. */
async function post(path: string, client?: Client): Promise<{ status: number; body: string }> {
  const { port } = new URL(ingress.url);
  const ca = await readFile(ours.of('intake').caFile);
  const [cert, key] =
    client === undefined ? [] : await Promise.all([readFile(client.certFile), readFile(client.keyFile)]);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        ...{
          host: '127.0.0.1',
          servername: 'localhost',
          port,
          path,
          method: 'POST',
          agent: false,
          ca,
          cert,
          key,
        },
      },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, body }));
      },
    );
    request.on('error', reject);
    request.end('{"type":"message.sent","data":{"messageId":"m1"}}');
  });
}

const handshake = (maxVersion: SecureVersion): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: '127.0.0.1', port: Number(new URL(ingress.url).port), rejectUnauthorized: false },
      ...{ minVersion: 'TLSv1' as const, maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' },
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });

const fingerprintOf = async ({ certFile: file }: Client): Promise<string> =>
  createHash('sha256')
    .update(new X509Certificate(await readFile(file)).raw)
    .digest('hex');

test('B2 B11 a client certificate of our authority proves its sender; of another, or none, it does not', async () => {
  const tenant = ingress.tenants.addTenant('acme');
  const sender = ours.of('sender');
  const source = ingress.tenants.addSource(tenant, 'client-certificate', await fingerprintOf(sender));
  const path = `/in/acme/${source.id}`;
  await eventually(async () => expect((await post(path, sender)).status).toBe(204));
  expect(JSON.parse((await post(path)).body)).toMatchObject({ code: 'signature.missing' });
  expect(JSON.parse((await post(path, ours.of('renewed'))).body)).toMatchObject({
    code: 'signature.mismatch',
  });
  const stranger = strangers.of('sender');
  const theirs = ingress.tenants.addSource(tenant, 'client-certificate', await fingerprintOf(stranger));
  await eventually(async () =>
    expect(JSON.parse((await post(`/in/acme/${theirs.id}`, stranger)).body)).toMatchObject({
      code: 'signature.missing',
    }),
  );
});

test('B1 B11 the URL that was signed is one of https', async () => {
  const tenant = ingress.tenants.addTenant('url');
  const { hmac } = await import('@posthorn/crypto/hmac.js');
  const settings = { template: '{url}{body}', encoding: 'hex' };
  const source = ingress.tenants.addSource(tenant, 'hmac', 'a-shared-secret', settings);
  const { port } = new URL(ingress.url);
  const path = `/in/url/${source.id}`;
  const ca = await readFile(ours.of('intake').caFile);
  const signature = hmac('sha256', 'a-shared-secret', `https://127.0.0.1:${port}${path}`, '{}').toString(
    'hex',
  );
  const status = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          ...{ host: '127.0.0.1', servername: 'localhost', port, path, method: 'POST', agent: false, ca },
          headers: { 'x-signature': signature },
        },
        (response) => (response.resume(), resolve(response.statusCode!)),
      );
      request.on('error', reject);
      request.end('{}');
    });
  await eventually(async () => expect(await status()).toBe(204));
});

test('B2 B4 a certificate in a header counts when a trusted proxy wrote it, and of nobody else', async () => {
  const sender = ours.of('sender');
  const pem = encodeURIComponent(await readFile(sender.certFile, 'utf8'));
  const codes: (string | undefined)[] = [];
  for (const trustedProxies of [['127.0.0.1'], ['10.0.0.1']]) {
    const behind = await startIngress({ clientCertificateHeader: 'x-client-cert', trustedProxies });
    const tenant = behind.tenants.addTenant('acme');
    const source = behind.tenants.addSource(tenant, 'client-certificate', await fingerprintOf(sender));
    const url = `${behind.url}/in/acme/${source.id}`;
    await eventually(async () => expect((await send(url, { body: '{}' })).status).toBe(401));
    for (const name of ['x-client-cert', 'client-cert']) {
      const { status, body } = await send(url, { headers: { [name]: pem }, body: '{}' });
      codes.push(status === 204 ? 'taken' : (JSON.parse(body) as { code: string }).code);
    }
    await behind.close();
  }
  expect(codes).toEqual(['taken', 'signature.missing', 'signature.missing', 'signature.missing']);
}, 30_000);

test('B11 TLS 1.2 and newer only, and no plain HTTP', async () => {
  const socket = await handshake('TLSv1.2');
  expect(socket.getProtocol()).toBe('TLSv1.2');
  socket.destroy();
  await expect(handshake('TLSv1.1')).rejects.toThrow();
  await expect(send(`http://${new URL(ingress.url).host}/health/live`, { method: 'GET' })).rejects.toThrow();
});

test('B11 a certificate that was replaced is shown without a restart; half a replacement is not', async () => {
  const shown = async (): Promise<string> => {
    const socket = await handshake('TLSv1.3');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  };
  expect(await shown()).toBe('intake');
  await install('renewed');
  await eventually(async () => expect(await shown()).toBe('renewed'), { timeoutMs: 15_000 });
}, 30_000);

test('B11 files that do not fit each other end the start', async () => {
  const files = {
    intakeTlsCertFile: ours.of('intake').certFile,
    intakeTlsKeyFile: ours.of('sender').keyFile,
  };
  await expect(startIngress(files)).rejects.toMatchObject({ code: 'config.invalid' });
});
