import { incidentAlerts } from './incidents.js';
import { type RuleGroup, TimeScale } from './rule.js';
import { sloAlerts, sloRecords } from './slos.js';
import { manualRecords, stageRecords } from './stages.js';

/**
 * All rules, as files.
 * @param factor what every length of time is multiplied by, see TimeScale; 1 is what ships.
 * @returns file name without ending → its groups.
 */
export function ruleFiles(factor = 1): ReadonlyMap<string, readonly RuleGroup[]> {
  const scale = new TimeScale(factor);
  return new Map([
    // One group each: what is recorded is there when the alerts of the same round ask for it.
    ['slo', [{ name: 'posthorn-slo', rules: [...sloRecords(scale), ...sloAlerts()] }]],
    ['incidents', [{ name: 'posthorn-incidents', rules: [...stageRecords(), ...incidentAlerts(scale)] }]],
    ['business', [{ name: 'posthorn-business', rules: manualRecords(scale.range('1d')) }]],
  ]);
}
