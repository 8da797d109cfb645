import { execFileSync } from 'node:child_process';

const SBOM_BYTES_MAX = 64 * 1024 * 1024;

/**
 * What is in an image, as CycloneDX: npm's own bill for the service, cut down to the packages that the image holds.
 * @param packages `name@version` of everything that was found in the image.
 * @throws Error when the image holds a package that the lock file does not know.
 */
export function bomOf({ root, service, version, image, digest, packages }) {
  const text = execFileSync(
    'npm',
    [
      'sbom',
      '--sbom-format=cyclonedx',
      '--sbom-type=application',
      '--package-lock-only',
      '--workspace',
      `apps/${service}`,
    ],
    { cwd: root, encoding: 'utf8', maxBuffer: SBOM_BYTES_MAX },
  );
  const bom = JSON.parse(text);
  const held = new Set(packages);
  const components = bom.components.filter((each) => held.has(nameOf(each)));
  const missing = packages.filter((each) => !components.some((component) => nameOf(component) === each));
  if (missing.length > 0)
    throw new Error(`${image} holds what the lock file does not know: ${missing.join(', ')}`);
  const refs = new Set(components.map((component) => component['bom-ref']));
  const dependencies = bom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
  const component = {
    type: 'container',
    name: image,
    version,
    hashes: [{ alg: 'SHA-256', content: digest.replace('sha256:', '') }],
  };
  return { ...bom, metadata: { ...bom.metadata, component }, components, dependencies };
}

const nameOf = ({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`;

/**
 * How an image came to be, as an in-toto statement with an SLSA predicate. Unsigned: whoever publishes it signs it.
 * Source: SLSA specification 1.0, "Provenance", read 2026-11.
 */
export function provenanceOf({ service, image, digest, base, revision, isDirty, times }) {
  const [baseName, baseDigest] = base.split('@sha256:');
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: image, digest: { sha256: digest.replace('sha256:', '') } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://posthorn.dev/build/docker/v1',
        externalParameters: { service, dockerfile: 'deploy/Dockerfile', base },
        internalParameters: { hasUncommittedChanges: isDirty },
        resolvedDependencies: [
          { name: 'source', digest: { gitCommit: revision } },
          { name: baseName, ...(baseDigest && { digest: { sha256: baseDigest } }) },
        ],
      },
      runDetails: { builder: { id: 'tools/image.mjs' }, metadata: times },
    },
  };
}
