import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { type ChildServer } from '@posthorn/testing/child-server.js';
import { startNats, type NatsServer } from '@posthorn/testing/nats-server.js';
import { startPostgres, type PostgresServer } from '@posthorn/testing/postgres-server.js';
import { endLeftovers, STOP_ORDER } from './leftovers.js';
import { ensureLocalSecrets, type LocalSecrets } from './local-secrets.js';
import { type Options } from './options.js';
import { type Ports } from './ports.js';
import { movedServices, readRoots, type Roots } from './roots.js';
import { serviceEnvironment, SERVICES, type ServiceName } from './service-environment.js';
import { Supervised } from './supervised.js';

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;
const SERVER_STARTS_MAX = 10;
const SERVER_START_DELAY_MS = 500;
const DATABASE = 'posthorn';
const SERVICES_WITH_TABLES = ['tenants', 'events', 'compliance', 'dispatcher'] as const;

/** What a started platform tells the world; written to `<data>/local.json`. */
export interface LocalFile {
  readonly apiUrl: string;
  readonly ingressUrl: string;
  readonly operatorKey: string;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly kekFile: string;
  readonly healthUrls: Readonly<Record<string, string>>;
  readonly pids: Record<string, number>;
  /** Whose code each service runs, since it was ready. */
  readonly roots: Record<string, string>;
  demo?: { tenant: string; apiKey: string; sourceId: string; destinationId: string };
}

/** Postgres, NATS and the six services of one data folder. */
export class Platform {
  private postgres: PostgresServer | undefined;
  private nats: NatsServer | undefined;
  private readonly services: Supervised[] = [];
  private isStopping = false;
  private isPublished = false;
  private starting: Promise<LocalFile> | undefined;
  private readonly pids: Record<string, number> = {};
  private readonly roots: Record<string, string> = {};
  private environments: ReadonlyMap<ServiceName, NodeJS.ProcessEnv> = new Map();
  private rolling: Promise<void> = Promise.resolve();
  private writing: Promise<void> = Promise.resolve();
  private file!: LocalFile;
  private secrets!: LocalSecrets;

  constructor(
    private readonly root: string,
    private readonly options: Options,
    private readonly ports: Ports,
    private readonly say: (line: string) => void,
  ) {}

  get local(): LocalFile {
    return this.file;
  }

  /**
   * Starts everything and waits until every service says that it is ready.
   * @throws Error as well when it is stopped meanwhile.
   */
  start(): Promise<LocalFile> {
    this.starting = this.startAll();
    return this.starting;
  }

  private async startAll(): Promise<LocalFile> {
    const { dataDir } = this.options;
    await mkdir(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
    await this.setPid('platform', process.pid);
    Object.assign(this.roots, Object.fromEntries(await this.wantedRoots()));
    const secrets = (this.secrets = await ensureLocalSecrets(dataDir));
    const certificates = await makeCertificates(join(dataDir, 'certificates'), [...SERVICES]);
    this.goOn();
    const databaseUrl = await this.startPostgres();
    this.goOn();
    const natsUrl = await this.startNats();
    this.file = this.describe(secrets, databaseUrl, natsUrl);
    this.environments = new Map(
      SERVICES.map((service) => [
        service,
        serviceEnvironment({
          service,
          ports: this.ports,
          secrets,
          databaseUrl,
          natsUrl,
          tls: certificates.of(service),
          options: this.options,
        }),
      ]),
    );
    for (const service of SERVICES_WITH_TABLES) {
      this.goOn();
      await this.migrate(service, this.roots[service]!);
    }
    this.goOn();
    for (const service of SERVICES) this.startService(service, this.roots[service]!);
    await this.waitUntilReady(SERVICES);
    return this.file;
  }

  /**
   * Moves each service whose root in `<data>/roots.json` is another now, one after the other in the order of the file: the
   * migrations of the new root, then a graceful stop, then its start from there until it is ready. What fails is said,
   * and the services after it stay where they are.
   */
  roll(): Promise<void> {
    this.rolling = this.rolling
      .then(() => this.rollNow())
      .catch((error: unknown) =>
        this.say(`Rolling failed: ${error instanceof Error ? error.message : String(error)}`),
      );
    return this.rolling;
  }

  /** Writes local.json: from here on others may use the platform. */
  async writeLocalFile(): Promise<void> {
    this.isPublished = true;
    await this.write('local.json', this.file);
  }

  /** Stops the services first, in the direction of the events, then NATS, then Postgres. */
  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    // Postgres or NATS may be between their start and being known here: nobody would stop them.
    await this.starting?.catch(() => undefined);
    for (const name of STOP_ORDER) await this.services.find((service) => service.name === name)?.stop();
    await this.nats?.stop();
    await this.postgres?.stop();
    // Another process's platform may run in this folder: a start that was refused.
    if ((await this.readPids())['platform'] === process.pid) await this.removeFiles();
  }

  /** Between the steps of a start. */
  private goOn(): void {
    if (this.isStopping) throw new Error('Stopped while it started');
  }

  /** Starts a server again after something killed it (the fault runs do); gives up after some tries, and says so. */
  private async keepRunning<S extends ChildServer>(
    name: 'postgres' | 'nats',
    first: S,
    start: () => Promise<S>,
    isNow: (server: S) => void,
  ): Promise<void> {
    let server = first;
    for (let failures = 0; failures < SERVER_STARTS_MAX && !this.isStopping;) {
      await server.exited;
      if (this.isStopping) return;
      try {
        server = await start();
        failures = 0;
      } catch (error) {
        failures += 1;
        this.say(`${name} ended and does not start again: ${error instanceof Error ? error.message : error}`);
        await new Promise((done) => setTimeout(done, SERVER_START_DELAY_MS));
        continue;
      }
      isNow(server);
      if (this.isStopping) return void (await server.stop());
      await this.setPid(name, server.pid);
    }
  }

  private async startPostgres(): Promise<string> {
    const given = process.env['DATABASE_URL'];
    if (given !== undefined && given !== '') {
      this.say('Postgres: the one of DATABASE_URL');
      return given;
    }
    const start = (): Promise<PostgresServer> =>
      startPostgres({ dataDir: join(this.options.dataDir, 'postgres'), port: this.ports.postgres });
    this.postgres = await start();
    await this.setPid('postgres', this.postgres.pid);
    void this.keepRunning('postgres', this.postgres, start, (server) => (this.postgres = server));
    const client = new pg.Client({ connectionString: this.postgres.url });
    await client.connect();
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
    await client.end();
    const url = new URL(this.postgres.url);
    url.pathname = `/${DATABASE}`;
    this.say(`Postgres: 127.0.0.1:${this.postgres.port}`);
    return url.href;
  }

  private async startNats(): Promise<string> {
    const given = process.env['NATS_URL'];
    if (given !== undefined && given !== '') {
      this.say('NATS: the one of NATS_URL');
      return given;
    }
    const start = (): Promise<NatsServer> =>
      startNats({ storeDir: join(this.options.dataDir, 'nats'), port: this.ports.nats });
    this.nats = await start();
    await this.setPid('nats', this.nats.pid);
    void this.keepRunning('nats', this.nats, start, (server) => (this.nats = server));
    this.say(`NATS: ${this.nats.url}`);
    return this.nats.url;
  }

  private describe(secrets: LocalSecrets, databaseUrl: string, natsUrl: string): LocalFile {
    const url = (port: number): string => `http://127.0.0.1:${port}`;
    return {
      apiUrl: url(this.ports.api),
      ingressUrl: url(this.ports.ingress),
      operatorKey: secrets.operatorKey,
      databaseUrl,
      natsUrl,
      kekFile: secrets.kekFile,
      healthUrls: {
        api: url(this.ports.api),
        ingress: url(this.ports.ingress),
        tenants: url(this.ports.tenantsHealth),
        events: url(this.ports.eventsHealth),
        compliance: url(this.ports.complianceHealth),
        dispatcher: url(this.ports.dispatcherHealth),
      },
      pids: this.pids,
      roots: this.roots,
    };
  }

  private wantedRoots(): Promise<Roots> {
    return readRoots(this.path('roots.json'), this.root);
  }

  private async rollNow(): Promise<void> {
    // Before they are started: the start reads the same file.
    if (this.services.length < SERVICES.length) return;
    const wanted = await this.wantedRoots();
    for (const service of movedServices(this.roots, wanted)) {
      const root = wanted.get(service)!;
      if ((SERVICES_WITH_TABLES as readonly ServiceName[]).includes(service))
        await this.migrate(service, root);
      const at = this.services.findIndex(({ name }) => name === service);
      await this.services[at]?.stop();
      if (this.isStopping) return;
      this.services.splice(at, 1);
      this.startService(service, root);
      await this.waitUntilReady([service]);
      this.roots[service] = root;
      await this.publish();
      this.say(`${service} runs from ${root}`);
    }
  }

  private async migrate(service: ServiceName, root: string): Promise<void> {
    const env = {
      ...process.env,
      DATABASE_ADMIN_URL: this.file.databaseUrl,
      DATABASE_PASSWORD_FILE: this.secrets.databasePasswordFile,
    };
    const child = spawn(process.execPath, [mainOf(root, service, 'migrate.js')], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number | null>((done) => child.on('exit', done));
    if (code !== 0) throw new Error(`The migrations of ${service} failed:\n${output}`);
  }

  private startService(service: ServiceName, root: string): void {
    const supervised = new Supervised({
      name: service,
      args: [mainOf(root, service, 'main.js')],
      env: this.environments.get(service)!,
      logFile: join(this.options.dataDir, 'logs', `${service}.log`),
      onProcess: (name, pid) => {
        if (pid === undefined)
          this.say(`${name} ended again and again; see ${join(this.options.dataDir, 'logs', `${name}.log`)}`);
        else void this.setPid(name, pid);
      },
    });
    this.services.push(supervised);
    supervised.start();
  }

  private async setPid(name: string, pid: number): Promise<void> {
    this.pids[name] = pid;
    await this.publish();
  }

  private async publish(): Promise<void> {
    // One writer at a time: renames of the same temporary file would cross.
    this.writing = this.writing.then(async () => {
      await this.write('pids.json', this.pids);
      if (this.isPublished) await this.write('local.json', this.file);
    });
    await this.writing;
  }

  private async waitUntilReady(services: readonly ServiceName[]): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    const waiting = new Map(services.map((service) => [service, this.file.healthUrls[service]!]));
    while (waiting.size > 0) {
      this.goOn();
      for (const [name, url] of waiting) if (await isReady(url)) waiting.delete(name);
      const dead = this.services.find((service) => service.hasGivenUp);
      if (dead !== undefined)
        throw new Error(
          `${dead.name} does not start; see ${join(this.options.dataDir, 'logs', `${dead.name}.log`)}`,
        );
      if (performance.now() > deadline)
        throw new Error(
          `Not ready after ${READY_TIMEOUT_MS / 1000} s: ${[...waiting.keys()].join(', ')}; see ${join(this.options.dataDir, 'logs')}`,
        );
      if (waiting.size > 0) await new Promise((done) => setTimeout(done, READY_POLL_MS));
    }
  }

  /** Ends what an earlier run left behind when it was killed itself. @throws Error when that run is still there. */
  async endLeftovers(): Promise<void> {
    const places = [this.root, this.options.dataDir, ...(await this.wantedRoots()).values()];
    await endLeftovers(await this.readPids(), places, this.say);
    await this.removeFiles();
  }

  private async readPids(): Promise<LocalFile['pids']> {
    const path = this.path('pids.json');
    return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as LocalFile['pids']) : {};
  }

  private async removeFiles(): Promise<void> {
    for (const file of ['pids.json', 'local.json']) await rm(this.path(file), { force: true });
  }

  private path(file: string): string {
    return join(this.options.dataDir, file);
  }

  /** Atomically: whoever sees the file sees all of it. */
  private async write(file: string, value: unknown): Promise<void> {
    await writeFile(this.path(`${file}.new`), `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
    await rename(this.path(`${file}.new`), this.path(file));
  }
}

const mainOf = (root: string, service: ServiceName, file: string): string =>
  join(root, 'apps', service, 'dist', file);

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}
