/** What a place asks for before marketing. */
export interface ConsentRow {
  /** ISO 3166 country, or `EU`; empty: every country without a row. */
  readonly place: string;
  readonly rule: string;
  readonly needs: string;
  readonly source: string;
  readonly readOn: string;
}

const row = (place: string, needs: string, source: string): ConsentRow => ({
  place,
  rule: place === '' ? 'consent.default' : `consent.${place.toLowerCase()}`,
  needs,
  source,
  readOn: '2026-11',
});

/**
 * Marketing needs a recorded opt-in everywhere; implied consent and the soft opt-in for customers are not
 * something we can see. The rows say by which law it is asked for.
 */
export const CONSENT: readonly ConsentRow[] = [
  row('US', 'prior express written consent', '47 CFR 64.1200(a)(2), (f)(9)'),
  row('CA', 'express or implied consent, with proof', 'CASL, S.C. 2010 c. 23 s. 10'),
  row('GB', 'consent, or the soft opt-in for customers', 'PECR reg. 22'),
  row('EU', 'free, specific, informed consent', 'GDPR art. 4(11), 7; ePrivacy art. 13'),
  row('FR', 'prior consent; general terms are none', 'CPCE L34-5'),
  row('DE', 'prior express consent; double opt-in as its proof', 'UWG s. 7'),
  row('AU', 'express or inferred consent', 'Spam Act 2003'),
  row('IN', 'registered consent for promotion', 'TRAI TCCCPR 2018'),
  row('BR', 'consent', 'LGPD'),
  row('SG', 'consent', 'vendor guidance'),
  row('MX', 'consent', 'vendor guidance'),
  row('', 'consent', 'what is not known counts as no'),
];
