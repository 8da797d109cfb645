import { formatId } from '@posthorn/clock/id.js';
import { unsubscribeToken } from '@posthorn/crypto/unsubscribe-token.js';
import type { EdgeConfig, EdgeSource, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { SendAdapter, SendCredentials } from '../clients/senders/send-adapter.js';
import { type Channel, type Command } from '../domain/command.js';
import { unsubscribeProgramOf } from '../domain/unsubscribe.js';

/** Who sends for which provider. */
export class Senders {
  constructor(readonly of: (provider: string) => SendAdapter | undefined) {}
}

/** Where providers reach ingress. */
export class PublicIngress {
  constructor(readonly url: string) {}
}

/** The way to one provider account. */
export interface SendRoute {
  readonly tenant: EdgeTenant;
  readonly source: EdgeSource;
  readonly adapter: SendAdapter;
  readonly credentials: SendCredentials;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Why there is none; the code is one of ours. */
export interface NoRoute {
  readonly errorCode: 'tenant.not_found' | 'source.not_found' | 'source.cannot_send';
  readonly detail: string;
}

/** Finds the way by which a source sends, and says whether anything may be sent at all. */
export class SendRoutes {
  private readonly parsed = new WeakMap<EdgeSource, Pick<SendRoute, 'credentials' | 'settings'>>();

  constructor(
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'tenant' | 'source' | 'isSendingPaused'>,
    private readonly senders: Senders,
    private readonly ingress: PublicIngress,
  ) {}

  /**
   * @param tenantId `ten_…` @param sourceId `src_…`
   * @throws AppError `service.unavailable` while no source is known yet.
   */
  find(tenantId: string, sourceId: string, channel: Channel): SendRoute | NoRoute {
    if (!this.edge.isReady) throw new AppError('service.unavailable', { detail: 'no sources known yet' });
    const tenant = this.edge.tenant(tenantId);
    if (tenant === undefined) return { errorCode: 'tenant.not_found', detail: '' };
    const source = this.edge.source(sourceId);
    if (source === undefined || source.tenantId !== tenantId)
      return { errorCode: 'source.not_found', detail: '' };
    // Nobody would hear its STOPs.
    if (source.status === 'disabled') return cannot('the source is disabled');
    const adapter = this.senders.of(source.provider);
    if (adapter === undefined) return cannot(`nothing can be sent through ${source.provider}`);
    if (!adapter.channels.includes(channel)) return cannot(`${source.provider} does not send ${channel}`);
    if (source.credentials === undefined) return cannot('the source has no credentials');
    return { tenant, source, adapter, ...this.parse(source, source.credentials) };
  }

  /** Of everything that must be recognized of a tenant; undefined when nobody knows it, or now. @param tenantId `ten_…` */
  hashKeyOf(tenantId: string): Buffer | undefined {
    return this.edge.isReady ? this.edge.tenant(tenantId)?.hashKey : undefined;
  }

  of(command: Pick<Command, 'tenantId' | 'sourceId' | 'channel'>): SendRoute | NoRoute {
    return this.find(formatId('ten', command.tenantId), command.sourceId, command.channel);
  }

  /** Whether sends of this tenant through this source wait: paused by somebody. */
  isHeld({ tenantId, sourceId }: Pick<Command, 'tenantId' | 'sourceId'>): boolean {
    const isTenantHeld = this.edge.tenant(formatId('ten', tenantId))?.isSendingPaused === true;
    return this.edge.isSendingPaused || isTenantHeld || this.edge.source(sourceId)?.isPaused === true;
  }

  /** How many a second a source may send: its setting, else what its provider is known to take. */
  ratePerSecond(sourceId: string): number | undefined {
    const source = this.edge.source(sourceId);
    if (source === undefined) return undefined;
    const { settings } = this.parse(source, source.credentials ?? '{}');
    const own = settings['sendsPerSecond'];
    return typeof own === 'number' && own > 0 ? own : this.senders.of(source.provider)?.ratePerSecond;
  }

  /** Where the provider reports what becomes of a message. */
  callbackUrl({ tenant, source, settings }: SendRoute): string {
    const own = settings['publicUrl'];
    const url = new URL(typeof own === 'string' && own !== '' ? own : this.ingress.url);
    if (url.pathname === '/') url.pathname = `/in/${tenant.slug}/${source.id}`;
    return url.href;
  }

  /**
   * Where one POST unsubscribes the recipient of a message.
   * @throws AppError `data_key.unavailable`
   */
  unsubscribeUrl({ tenant }: Pick<SendRoute, 'tenant'>, command: Command): string {
    const { hashKey } = tenant;
    if (hashKey === undefined) throw new AppError('data_key.unavailable');
    const program = unsubscribeProgramOf(command);
    return new URL(`/u/${unsubscribeToken(hashKey, { ...command, program })}`, this.ingress.url).href;
  }

  private parse(source: EdgeSource, credentials: string): Pick<SendRoute, 'credentials' | 'settings'> {
    let parsed = this.parsed.get(source);
    if (parsed === undefined) {
      parsed = { credentials: objectOf(credentials), settings: objectOf(source.settingsJson) };
      this.parsed.set(source, parsed);
    }
    return parsed;
  }
}

const cannot = (detail: string): NoRoute => ({ errorCode: 'source.cannot_send', detail });

/** Whether there is a way. */
export const isRoute = (found: SendRoute | NoRoute): found is SendRoute => 'adapter' in found;

function objectOf(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(json === '' ? '{}' : json);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
