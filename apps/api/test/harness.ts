import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, type ServiceDefinition, type ServiceError } from '@grpc/grpc-js';
import { generateKeyFile } from '@posthorn/crypto/file-key-wrapper.js';
import { generateToken } from '@posthorn/crypto/token.js';
import { type AppError } from '@posthorn/errors/app-error.js';
import { serviceErrorOf } from '@posthorn/server/grpc-errors.js';
import { runHttpService } from '@posthorn/server/http-service.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { createTestDatabase, type Preparation } from '@posthorn/testing/test-database.js';
import {
  type CertificateFiles,
  type Certificates,
  testCertificates,
} from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { AppModule } from '../src/app.module.js';
import { type Config, readConfig } from '../src/config.js';
import { PLAYED_SERVICES, type PlayedService, PlayedWorld } from './played-services.js';

export const BODY_BYTES_MAX = 1_048_576;
const tenantsDist = (file: string): string =>
  fileURLToPath(new URL(`../../tenants/dist/${file}`, import.meta.url));

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what it is, the test says
  readonly body: any;
}

/** Calls the API with a key, or without one. */
export type Caller = (
  method: string,
  path: string,
  options?: {
    readonly body?: unknown;
    readonly raw?: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
) => Promise<Answer>;

/** The API with the real tenants service behind it; the other services are played. */
export interface TestApi {
  readonly url: string;
  readonly certificates: Certificates;
  readonly tenantsAddress: string;
  readonly operator: Caller;
  readonly played: PlayedWorld;
  caller(key: string | undefined): Caller;
  /** Another API before the same services. */
  another(overrides: Partial<Config>): Promise<{ url: string; close(): Promise<void> }>;
  close(): Promise<void>;
}

export async function startApi(): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-api-'));
  const certificates = testCertificates();
  const database = await createTestDatabase('api', await tenantsSchema());
  const operatorKey = generateToken('phop_');
  const tenants = await startTenants(folder, database, certificates.of('tenants'), operatorKey);
  const world = new PlayedWorld();
  const played = await Promise.all(
    PLAYED_SERVICES.map(async ({ service, definitions }) => {
      const { address, stop } = await serve(certificates.of(service), definitions, world);
      return { service, address, stop };
    }),
  );
  const addressOf = (service: string): string => played.find((each) => each.service === service)!.address;
  const base: Config = {
    ...readConfig(),
    httpListen: '127.0.0.1:0',
    tenantsAddress: tenants.address,
    eventsAddress: addressOf('events'),
    complianceAddress: addressOf('compliance'),
    dispatcherAddress: addressOf('dispatcher'),
    apiRatePerSecond: 100_000,
    apiBurst: 100_000,
  };
  const open = async (overrides: Partial<Config>) => {
    const config = { ...base, ...overrides };
    const process = testProcess<Config>('api', { config, tls: certificates.of('api') });
    const module = AppModule.of(process);
    const service = await runHttpService({
      process,
      module,
      listen: config.httpListen,
      bodyBytesMax: BODY_BYTES_MAX,
    });
    return { url: `http://${service.address}`, close: () => service.close() };
  };
  const api = await open({});
  const caller = (key: string | undefined) => callerOf(api.url, key);
  return {
    url: api.url,
    certificates,
    tenantsAddress: tenants.address,
    operator: caller(operatorKey),
    played: world,
    caller,
    another: open,
    close: async () => {
      await api.close();
      for (const { stop } of played) stop();
      await tenants.stop();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The schema of the built service, which its own command makes: an app imports no other. */
async function tenantsSchema(): Promise<Preparation> {
  const migrations = tenantsDist('persistence/migrations');
  const texts = await Promise.all(
    (await readdir(migrations)).map((file) => readFile(join(migrations, file))),
  );
  return {
    version: createHash('sha256').update(Buffer.concat(texts)).digest('hex'),
    run: async (url, password) => {
      const folder = await mkdtemp(join(tmpdir(), 'posthorn-migrate-'));
      try {
        const passwordFile = join(folder, 'password');
        await writeFile(passwordFile, password);
        const env = {
          PATH: process.env['PATH'],
          DATABASE_ADMIN_URL: url,
          DATABASE_PASSWORD_FILE: passwordFile,
        };
        await finished(spawn(process.execPath, [tenantsDist('migrate.js')], { env, stdio: 'ignore' }));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** The built service, as a process. */
async function startTenants(
  folder: string,
  database: { readonly url: string; readonly password: string },
  tls: CertificateFiles,
  operatorKey: string,
): Promise<{ address: string; stop(): Promise<void> }> {
  const [passwordFile, kekFile, operatorKeyFile] = ['password', 'kek.json', 'operator-key'].map((name) =>
    join(folder, name),
  );
  await writeFile(passwordFile!, database.password);
  await writeFile(operatorKeyFile!, operatorKey);
  generateKeyFile(kekFile!);
  const [address, health] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const env = {
    PATH: process.env['PATH'],
    DATABASE_URL: database.url,
    DATABASE_PASSWORD_FILE: passwordFile,
    NATS_URL: testServers().natsUrl,
    GRPC_LISTEN: address,
    HEALTH_LISTEN: health,
    KEK_FILE: kekFile,
    OPERATOR_KEY_FILE: operatorKeyFile,
    AUDIT_CHECKPOINT_DIR: join(folder, 'checkpoints'),
    ALLOW_LOOPBACK_DESTINATIONS: 'true',
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    TLS_CA_FILE: tls.caFile,
  };
  const child = spawn(process.execPath, [tenantsDist('main.js')], { env, stdio: 'ignore' });
  await eventually(async () => expect((await fetch(`http://${health}/health/ready`)).status).toBe(200), {
    timeoutMs: 20_000,
  });
  return {
    address,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function finished(child: ChildProcess): Promise<void> {
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`the migrations ended with ${String(code)}`);
}

async function serve(
  tls: CertificateFiles,
  definitions: PlayedService['definitions'],
  world: PlayedWorld,
): Promise<{ address: string; stop(): void }> {
  const [ca, cert, key] = await Promise.all(
    [tls.caFile, tls.certFile, tls.keyFile].map((file) => readFile(file)),
  );
  const server = new Server();
  for (const { definition, handlers } of definitions) {
    const unary = Object.entries(handlers).map(([name, handler]) => [
      name,
      (call: { request: never }, answer: (error: ServiceError | null, response?: unknown) => void) => {
        try {
          answer(null, world.answer(name, handler, call.request));
        } catch (error) {
          answer(serviceErrorOf(error as AppError));
        }
      },
    ]);
    server.addService(definition as ServiceDefinition, Object.fromEntries(unary) as never);
  }
  const credentials = ServerCredentials.createSsl(ca!, [{ cert_chain: cert!, private_key: key! }], true);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

export function callerOf(url: string, key: string | undefined): Caller {
  return async (method, path, { body, raw, headers = {} } = {}) => {
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(text !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(text !== undefined && { body: text }),
    });
    const answered = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(answered) : answered,
    };
  };
}

/** A name that nobody else has. */
export const uniqueSlug = (): string => `t-${randomBytes(6).toString('hex')}`;
