import {
  DestinationConfig,
  SourceConfig,
  TenantConfig,
  type PlatformConfig,
  type MessageFns,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { EdgeDestination } from './edge-destination.js';
import { EdgeSource } from './edge-source.js';
import { EdgeTenant } from './edge-tenant.js';

/** IDs of what is new, different or gone. */
export interface ConfigChange {
  readonly tenants: string[];
  readonly sources: string[];
  readonly destinations: string[];
  /** Whether what holds for all tenants is different. */
  readonly isPlatformChanged: boolean;
}

/** The things of one kind; one that did not change stays the same object. */
class Shelf<C extends { id: string }, E> {
  private items = new Map<string, { encoded: Buffer; readonly item: E }>();

  constructor(
    private readonly codec: MessageFns<C>,
    private readonly make: (config: C) => E,
    /** A thing that cannot be read is left out; it must not take its neighbours with it. */
    private readonly onInvalid: (id: string, error: unknown) => void,
  ) {}

  get(id: string): E | undefined {
    return this.items.get(id)?.item;
  }

  values(): E[] {
    return [...this.items.values()].map(({ item }) => item);
  }

  /** @returns the IDs of what is new or different. */
  put(configs: readonly C[]): string[] {
    const changed: string[] = [];
    for (const config of configs) {
      const encoded = Buffer.from(this.codec.encode(config).finish());
      if (this.items.get(config.id)?.encoded.equals(encoded)) continue;
      try {
        this.items.set(config.id, { encoded, item: this.make(config) });
      } catch (error) {
        this.items.delete(config.id);
        this.onInvalid(config.id, error);
      }
      changed.push(config.id);
    }
    return changed;
  }

  remove(ids: Iterable<string>): string[] {
    return [...ids].filter((id) => this.items.delete(id));
  }

  /** Makes the next `put` take everything as different. Why: encodings hold keys too. */
  forgetEncodings(): void {
    for (const entry of this.items.values()) entry.encoded = UNKNOWN;
  }

  /** Everything that is not in the list goes. */
  keepOnly(ids: ReadonlySet<string>): string[] {
    return this.remove([...this.items.keys()].filter((id) => !ids.has(id)));
  }
}

/** The configuration itself: pure, without stream and timers. */
export class ConfigState {
  private readonly tenants: Shelf<TenantConfig, EdgeTenant>;
  private readonly sources: Shelf<SourceConfig, EdgeSource>;
  private readonly destinations: Shelf<DestinationConfig, EdgeDestination>;
  private bySlug = new Map<string, EdgeTenant>();
  private byTenant = new Map<string, EdgeDestination[]>();
  private areSendsPaused = false;
  /** As tenants says; a snapshot says it of all. */
  private readonly deleted = new Set<string>();

  constructor(mayUseKeys: () => boolean, onInvalid: (id: string, error: unknown) => void) {
    this.tenants = new Shelf(TenantConfig, (config) => new EdgeTenant(config, mayUseKeys), onInvalid);
    this.sources = new Shelf(SourceConfig, (config) => new EdgeSource(config), onInvalid);
    this.destinations = new Shelf(DestinationConfig, (config) => new EdgeDestination(config), onInvalid);
  }

  tenant = (id: string): EdgeTenant | undefined => this.tenants.get(id);
  allTenants = (): EdgeTenant[] => this.tenants.values();
  isDeleted = (id: string): boolean => this.deleted.has(id);
  allDeleted = (): string[] => [...this.deleted];
  tenantBySlug = (slug: string): EdgeTenant | undefined => this.bySlug.get(slug);
  source = (id: string): EdgeSource | undefined => this.sources.get(id);
  destination = (id: string): EdgeDestination | undefined => this.destinations.get(id);
  destinationsOf = (tenantId: string): readonly EdgeDestination[] => this.byTenant.get(tenantId) ?? NONE;

  /** Whether no command of any tenant may leave. Known only where kind TENANTS is watched. */
  get isSendingPaused(): boolean {
    return this.areSendsPaused;
  }

  /** Applies one change. */
  change(response: WatchResponse): ConfigChange {
    for (const id of response.deletedTenantIds) this.deleted.add(id);
    return this.index({
      isPlatformChanged: response.platform !== undefined && this.putPlatform(response.platform),
      tenants: [...this.tenants.put(response.tenants), ...this.tenants.remove(response.deletedTenantIds)],
      sources: [...this.sources.put(response.sources), ...this.sources.remove(response.deletedSourceIds)],
      destinations: [
        ...this.destinations.put(response.destinations),
        ...this.destinations.remove(response.deletedDestinationIds),
      ],
    });
  }

  /** Replaces everything by the pages of a snapshot. */
  replace(pages: readonly WatchResponse[]): ConfigChange {
    this.deleted.clear();
    for (const id of pages.flatMap((page) => page.deletedTenantIds)) this.deleted.add(id);
    const tenants = pages.flatMap((page) => page.tenants);
    const sources = pages.flatMap((page) => page.sources);
    const destinations = pages.flatMap((page) => page.destinations);
    const platform = pages.findLast((page) => page.platform !== undefined)?.platform;
    return this.index({
      isPlatformChanged: this.putPlatform(platform ?? { sendsPaused: false }),
      tenants: [...this.tenants.put(tenants), ...this.tenants.keepOnly(idsOf(tenants))],
      sources: [...this.sources.put(sources), ...this.sources.keepOnly(idsOf(sources))],
      destinations: [
        ...this.destinations.put(destinations),
        ...this.destinations.keepOnly(idsOf(destinations)),
      ],
    });
  }

  /** Forgets all key material; the next snapshot brings it again. */
  evictKeys(): void {
    for (const tenant of this.tenants.values()) tenant.evictKeys();
    this.tenants.forgetEncodings();
  }

  private putPlatform({ sendsPaused }: Pick<PlatformConfig, 'sendsPaused'>): boolean {
    const isDifferent = this.areSendsPaused !== sendsPaused;
    this.areSendsPaused = sendsPaused;
    return isDifferent;
  }

  private index(change: ConfigChange): ConfigChange {
    if (change.tenants.length > 0)
      this.bySlug = new Map(this.tenants.values().map((tenant) => [tenant.slug, tenant]));
    if (change.destinations.length > 0) {
      this.byTenant = new Map();
      for (const destination of this.destinations.values()) {
        const siblings = this.byTenant.get(destination.tenantId);
        if (siblings === undefined) this.byTenant.set(destination.tenantId, [destination]);
        else siblings.push(destination);
      }
    }
    return change;
  }
}

const UNKNOWN = Buffer.alloc(0);
const NONE: readonly EdgeDestination[] = [];
const idsOf = (configs: readonly { id: string }[]): Set<string> => new Set(configs.map(({ id }) => id));
