// The JSON in gzipped bytes.
export const unzip = bytes =>
  new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json()
