import { schemaFault } from './body-schema-rules.js';
import type { CommonSettings } from './provider.js';

/** A setting that is refused, and why. */
export interface SettingFault {
  readonly setting: string;
  readonly why: string;
}

/**
 * What is wrong with settings that their provider's schema takes.
 * Why not in that schema: the edge reads by it what was stored under earlier rules, and must go on serving it.
 */
export function settingFaults(settings: CommonSettings): readonly SettingFault[] {
  const faults: SettingFault[] = [];
  for (const [setting, value] of Object.entries(settings as Record<string, unknown>)) {
    if (setting.endsWith('Url') && typeof value === 'string' && holdsCredentials(value))
      faults.push({ setting, why: 'no user or password in the URL' });
    if (setting !== 'jsonSchema' || value === undefined) continue;
    const fault = schemaFault(value);
    if (fault !== undefined) faults.push({ setting, why: `at #${fault.at}: ${fault.why}` });
  }
  return faults;
}

function holdsCredentials(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username !== '' || password !== '';
}
