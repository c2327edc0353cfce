import type { ComponentChildren, JSX } from 'preact';
import type { SidecarView } from '../status/types.ts';
import { CopyLines } from './copy-lines.tsx';
import { age, bytes, count, number, percent } from './words.ts';

/** The sidecar itself: what it holds, what it costs, and who it talks to. */
export function SidecarFacts({ sidecar }: { readonly sidecar: SidecarView }): JSX.Element {
  const { kubernetes, fleet, reloads } = sidecar;
  return (
    <section class="sidecar" aria-label="Sidecar">
      <h3>The app's proxy variable</h3>
      <CopyLines text={`HTTP_PROXY=${sidecar.proxyUrl}`} />
      <h3>Process</h3>
      <dl class="list">
        <Fact name="Runs for">{age(sidecar.uptimeMs)}</Fact>
        <Fact name="Processor">{percent(sidecar.cpuShare)} of one</Fact>
        <Fact name="Memory">{bytes(sidecar.memoryBytes)}</Fact>
        <Fact name="Buffers">
          {bytes(sidecar.bufferedBytes)} of {bytes(sidecar.bufferBytes)}
        </Fact>
        <Fact name="Requests under way">{number(sidecar.exchanges)}</Fact>
        <Fact name="Tunnels">{number(sidecar.tunnels)}</Fact>
        <Fact name="Connections of the app">{number(sidecar.downstreamConnections)}</Fact>
        <Fact name="Connections to endpoints">
          {number(sidecar.upstreamConnections)} of {number(sidecar.maxConnections)}
        </Fact>
      </dl>
      <h3>Configuration</h3>
      <dl class="list">
        <Fact name="File">{sidecar.configFile ?? 'none'}</Fact>
        <Fact name="Reloads">
          {number(reloads.applied)} applied, {number(reloads.refused)} refused
        </Fact>
        {reloads.lastError !== null && <Fact name="Last refusal">{reloads.lastError}</Fact>}
      </dl>
      {kubernetes !== null && (
        <>
          <h3>Kubernetes</h3>
          <dl class="list">
            <Fact name="API server">
              {kubernetes.connected === null ? 'not asked yet' : kubernetes.connected ? 'connected' : 'not connected'}
            </Fact>
            <Fact name="Watches">{count(kubernetes.watches, 'Service')}</Fact>
            {kubernetes.problems.map(({ message, hint }) => (
              <Fact key={message} name="Problem">
                {message}. {hint}
              </Fact>
            ))}
          </dl>
        </>
      )}
      {fleet !== null && (
        <>
          <h3>Fleet</h3>
          <dl class="list">
            <Fact name="Coordinator">
              {fleet.coordinator}: {fleet.state}
            </Fact>
            <Fact name="Sidecars">{number(fleet.peers)}</Fact>
            {fleet.problem !== null && <Fact name="Problem">{fleet.problem}</Fact>}
          </dl>
        </>
      )}
    </section>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
