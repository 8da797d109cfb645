import type { EdgeSource } from '@posthorn/edge-config/edge-config.js';
import type { CommonSettings, Provider } from '@posthorn/providers/provider.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import type { Quota } from '../domain/intake-quotas.js';
import { AddressList } from './address-list.js';
import { BodySchema } from './body-schema.js';

/** How the requests of one source are taken. */
export interface SourceRules {
  readonly provider: Provider;
  readonly settings: CommonSettings;
  readonly allowlist: AddressList;
  /** Its own quota, where it has one. */
  readonly quota: Quota | undefined;
  /** Where its sender publishes its keys, where it does. */
  readonly keyUrl: string | undefined;
  /** What its bodies must fit; an Error: the schema cannot be used, so that nothing fits it. */
  readonly schema: BodySchema | Error | undefined;
  /** Whether a body that does not fit is refused. */
  readonly isSchemaEnforced: boolean;
}

/** Of general schemes only. */
interface SchemaSettings {
  readonly jsonSchema?: object;
  readonly schemaFailure?: string;
}

/**
 * The parsed settings of each source, parsed once per version of it.
 * Why keyed by identity: a changed source is another object, so nothing can go stale and nothing is kept
 * longer than the configuration itself.
 */
export class SourceSettings {
  private readonly rules = new WeakMap<EdgeSource, SourceRules | Error>();

  /** @returns an Error when this version of the code cannot use the source's settings. */
  of(source: EdgeSource): SourceRules | Error {
    let rules = this.rules.get(source);
    if (rules === undefined) this.rules.set(source, (rules = this.read(source)));
    return rules;
  }

  private read(source: EdgeSource): SourceRules | Error {
    const provider = PROVIDERS.get(source.provider);
    if (provider === undefined) return new Error(`unknown provider ${source.provider}`);
    try {
      // Unknown keys are dropped here: a newer tenants service may know more of them.
      const settings = provider.settings
        .strip()
        .parse(JSON.parse(source.settingsJson || '{}')) as unknown as CommonSettings;
      const { ratePerSecond, ipAllowlist } = settings;
      const { jsonSchema, schemaFailure } = settings as SchemaSettings;
      return {
        provider,
        settings,
        allowlist: new AddressList(ipAllowlist),
        quota: ratePerSecond === undefined ? undefined : { ratePerSecond, burst: ratePerSecond },
        keyUrl: provider.keyUrl?.(settings),
        schema: jsonSchema === undefined ? undefined : schemaOf(jsonSchema),
        isSchemaEnforced: schemaFailure === 'refuse',
      };
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}

function schemaOf(schema: object): BodySchema | Error {
  try {
    return new BodySchema(schema);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
