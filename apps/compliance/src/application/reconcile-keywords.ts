import { uuidText } from '@posthorn/clock/id.js';
import type { EdgeConfig, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import type { Database } from '@posthorn/postgres/database.js';
import { keywordTable } from '@posthorn/providers/tenant-keywords.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { KeywordsClient } from '../clients/keywords.client.js';
import { DEFAULT_POLICY } from '../domain/sending-rules/tenant-policy.js';
import type { PolicyKeywords, PolicyStore } from '../persistence/policy.store.js';

/** Longer than a change of a policy takes: what differs for so long is nobody's work any more. */
const INTERVAL_MS = 10_000;
const PAGE_TENANTS_MAX = 500;

const NO_POLICY: PolicyKeywords = { version: 0, keywords: DEFAULT_POLICY.keywords };

/**
 * Makes the words that the edge knows equal to those of the policies. Whoever changes a policy does it, too; this is for
 * a change that was cut off between its steps, and for policies from before the edge knew words.
 */
export class ReconcileKeywords {
  private readonly rounds = new Rounds(INTERVAL_MS, () =>
    this.look().catch((err: unknown) => this.log.warn({ err, stage: 'keywords' }, 'words were not compared')),
  );
  /** What differed at the last look, by tenant. */
  private differing: ReadonlyMap<string, string> = new Map();

  constructor(
    private readonly db: Database,
    private readonly policies: PolicyStore,
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'tenants'>,
    private readonly client: Pick<KeywordsClient, 'set'>,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /**
   * Sets what differs in the same way as at the look before.
   * @returns how many tenants were set; what fails is tried again at the next look.
   */
  async look(): Promise<number> {
    if (!this.edge.isReady) return 0;
    const before = this.differing;
    const [differing, stuck] = [new Map<string, string>(), [] as [EdgeTenant, PolicyKeywords][]];
    const tenants = this.edge.tenants();
    for (let start = 0; start < tenants.length; start += PAGE_TENANTS_MAX) {
      const page = tenants.slice(start, start + PAGE_TENANTS_MAX);
      const policies = await this.policies.keywordsInForce(
        this.db,
        page.map(({ uuid }) => uuidText(uuid)),
      );
      for (const tenant of page) {
        const policy = policies.get(uuidText(tenant.uuid)) ?? NO_POLICY;
        if (isKnown(tenant, policy)) continue;
        const difference = JSON.stringify([policy.version, ...tenant.keywords]);
        differing.set(tenant.id, difference);
        if (before.get(tenant.id) === difference) stuck.push([tenant, policy]);
      }
    }
    this.differing = differing;
    let count = 0;
    for (const [tenant, policy] of stuck) if (await this.set(tenant, policy)) count += 1;
    return count;
  }

  private async set({ id }: EdgeTenant, { keywords, version }: PolicyKeywords): Promise<boolean> {
    try {
      await this.client.set(id, keywords, version);
      this.log.warn(
        { tenantId: id, version: String(version), stage: 'keywords' },
        'words brought to the edge',
      );
      return true;
    } catch (err) {
      this.log.warn({ err, tenantId: id, stage: 'keywords' }, 'words of a policy are not at the edge');
      return false;
    }
  }
}

/** Whether the edge knows exactly the words of the policy. */
function isKnown({ keywords: known }: EdgeTenant, { keywords }: PolicyKeywords): boolean {
  const wanted = keywordTable(keywords);
  return wanted.size === known.size && [...wanted].every(([word, signal]) => known.get(word) === signal);
}
