import type { EdgeSource } from '@posthorn/edge-config/edge-config.js';
import type { CommonSettings, Provider } from '@posthorn/providers/provider.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import { AddressList } from './address-list.js';

/** How the requests of one source are taken. */
export interface SourceRules {
  readonly provider: Provider;
  readonly settings: CommonSettings;
  readonly allowlist: AddressList;
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
      return { provider, settings, allowlist: new AddressList(settings.ipAllowlist) };
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
