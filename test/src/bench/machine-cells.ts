import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type PostgresServer, startPostgres } from '@posthorn/testing/postgres-server.js';
import { ROOT } from '../house/running-platform.js';
import { Random } from '../wire/random.js';
import { type BenchPlan } from './arguments.js';
import { badAnswers, type Cell, round, watchCpu } from './cell.js';
import { BenchChild } from './child.js';
import { costSeed, measureCosts } from './cost-cells.js';
import { type GeneratorAnswer, type GeneratorCommand } from './generator.main.js';
import { insertBatches, insertSingly, type InsertResult } from './inserts.js';
import { flushesPerSecond } from './disk.js';
import { durableSettings } from './machine.js';
import { prefill } from './prefill.js';

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const CONNECTIONS = 64;
const FLUSH_TEST_MS = 2_000;

export const MACHINE_CELLS = [
  'flush',
  'bare',
  'mac',
  'batches',
  'single',
  'commit64',
  'commit256',
  'costs',
] as const;
type MachineCell = (typeof MACHINE_CELLS)[number];
type Generator = BenchChild<GeneratorCommand, GeneratorAnswer>;

/** What the machine can do without the platform: its own Postgres with our schema, bare servers, the disk. */
export class MachineCells {
  private constructor(
    private readonly folder: string,
    private readonly postgres: PostgresServer,
    private readonly plan: BenchPlan,
    readonly settings: Readonly<Record<string, string>>,
  ) {}

  static async start(plan: BenchPlan): Promise<MachineCells> {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-bench-machine-'));
    const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
    await migrateEvents(postgres.url, folder);
    const db = new pg.Client({ connectionString: postgres.url });
    await db.connect();
    const settings = await durableSettings(db);
    await db.query('SELECT events.ensure_partitions((current_date - 1)::date, 4)');
    await prefill(db, plan.prefillRows, false);
    await db.end();
    return new MachineCells(folder, postgres, plan, settings);
  }

  async stop(): Promise<void> {
    await this.postgres.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async run(subject: MachineCell, block: number, generator: Generator): Promise<Cell> {
    if (subject === 'flush') {
      const figures = { perSecond: round(flushesPerSecond(this.folder, FLUSH_TEST_MS)) };
      return { subject, block, figures, cpuMicros: {}, problems: [] };
    }
    if (subject === 'costs') return this.costs(block);
    if (subject === 'batches') return this.inserts(subject, block, insertBatches);
    if (subject === 'single') return this.inserts(subject, block, insertSingly);
    const connections = subject === 'commit256' ? 256 : CONNECTIONS;
    return this.server(subject, block, generator, connections);
  }

  private async costs(block: number): Promise<Cell> {
    const { seed, cellMs } = this.plan;
    const { url, pid: postgresPid } = this.postgres;
    const place = { url, postgresPid, passwordFile: passwordFileIn(this.folder) };
    const cell = await measureCosts(place, block, cellMs, new Random(costSeed(seed, block)));
    await this.truncate();
    return cell;
  }

  private async inserts(
    subject: MachineCell,
    block: number,
    insert: (url: string, durationMs: number) => Promise<InsertResult>,
  ): Promise<Cell> {
    await this.truncate();
    const cpu = watchCpu({ postgres: this.postgres.pid });
    const { rowsPerSecond, rows } = await insert(this.postgres.url, this.plan.cellMs);
    return {
      subject,
      block,
      figures: { perSecond: round(rowsPerSecond) },
      cpuMicros: cpu(rows),
      problems: [],
    };
  }

  private async server(
    subject: MachineCell,
    block: number,
    generator: Generator,
    connections: number,
  ): Promise<Cell> {
    const mode = subject.startsWith('commit') ? 'commit' : subject;
    if (mode === 'commit') await this.truncate();
    const server = await BenchChild.start<object, { url: string }>('server.main.js', [
      mode,
      SECRET,
      this.postgres.url,
    ]);
    try {
      const { url } = await server.ask({});
      const sources = [
        { tenant: 'bare', sourceId: 'src', provider: 'standard-webhooks' as const, url, secret: SECRET },
      ];
      const cpu = watchCpu({ server: server.pid, ...(mode === 'commit' && { postgres: this.postgres.pid }) });
      const run = `bare-${randomBytes(3).toString('hex')}`;
      const { warmUpMs, cellMs: durationMs } = this.plan;
      const { closed } = await generator.ask({
        kind: 'closed',
        run,
        sources,
        connections,
        warmUpMs,
        durationMs,
      });
      const { perSecond, latency, cpuMicros, acked, statuses } = closed!;
      return {
        subject,
        block,
        figures: { perSecond: round(perSecond), p99Ms: latency.p99 },
        cpuMicros: { ...cpu(acked), generator: round(cpuMicros) },
        problems: badAnswers(statuses),
      };
    } finally {
      await server.stop();
    }
  }

  /** Back to the prefilled depth: only the rows of the cells before go. */
  private async truncate(): Promise<void> {
    const db = new pg.Client({ connectionString: this.postgres.url });
    await db.connect();
    for (const table of ['dedup', 'raw', 'content', 'event_log'])
      await db.query(`DELETE FROM events.${table} WHERE tenant_id < '00000000-0000-7000-8000-0000000000ff'`);
    await db.query('VACUUM events.dedup, events.raw, events.content, events.event_log');
    await db.query('CHECKPOINT');
    await db.end();
  }
}

/** Of the service's roles. */
const passwordFileIn = (folder: string): string => join(folder, 'password');

async function migrateEvents(url: string, folder: string): Promise<void> {
  const passwordFile = passwordFileIn(folder);
  await writeFile(passwordFile, randomBytes(16).toString('hex'), { mode: 0o600 });
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'apps/events/dist/migrate.js')],
    {
      env: { ...process.env, DATABASE_ADMIN_URL: url, DATABASE_PASSWORD_FILE: passwordFile },
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`the migrations of events failed:\n${stdout}${stderr}`);
}
