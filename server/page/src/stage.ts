/** The view that is turned and zoomed: three.js, with the very camera that the server is asked for. */

import * as three from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { MeshoptDecoder } from "three/examples/jsm/libs/meshopt_decoder.module.js";
import { DRACOLoader } from "three/examples/jsm/loaders/DRACOLoader.js";
import { type GLTF, GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { cornersOf, fit, pointsOf } from "./framing";

export type UpAxis = "y" | "z";

/** A camera as the API takes it: 16 numbers row by row, looking along -z with y up. */
export interface Pose {
  camera_to_world: number[];
  fov_y_deg: number;
  near: number;
  far: number;
}

export interface ShownScene {
  cameras: string[];
  duration_s: number;
  materials: string[];
}

const FOV_DEG = 40;
const TURN = Math.PI / 36;
const STEP = 0.05;
const ZOOM = 1.1;
/** Light from all around, as the server has it for what brings no light: radiance from above and from below. */
const SKY = new three.Color(0.55, 0.56, 0.58);
const GROUND = new three.Color(0.22, 0.215, 0.21);
const DIMMED = 0.3;

// Metal mirrors the light from all around, too. An environment map would do that, but takes seconds without a GPU.
three.ShaderChunk.lights_fragment_end = `
#if defined( RE_IndirectSpecular ) && NUM_HEMI_LIGHTS > 0
  radiance += RECIPROCAL_PI * mix( hemisphereLights[ 0 ].groundColor, hemisphereLights[ 0 ].skyColor,
    0.5 + 0.5 * dot( reflect( - geometryViewDir, geometryNormal ), hemisphereLights[ 0 ].direction ) );
#endif
${three.ShaderChunk.lights_fragment_end}`;

export class Stage {
  /** Called whenever the camera, the scene or its time is another one. */
  onChange: () => void = () => {};
  readonly #renderer: three.WebGLRenderer;
  readonly #scene = new three.Scene();
  readonly #camera = new three.PerspectiveCamera(FOV_DEG);
  readonly #sun = new three.DirectionalLight(new three.Color(1, 0.97, 0.92), 2.1);
  readonly #sky = new three.HemisphereLight(SKY, GROUND, Math.PI);
  readonly #draco = new DRACOLoader().setDecoderPath("/page/");
  #controls: OrbitControls;
  #gltf: GLTF | null = null;
  #fileCameras: three.PerspectiveCamera[] = [];
  #mixer: three.AnimationMixer | null = null;
  #bounds = new three.Box3();
  #points: three.Vector3[] = [];
  #up: UpAxis = "y";
  #isOfFile = false;
  #isDue = false;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.#renderer = new three.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.#scene.add(this.#sun, this.#sky);
    this.#controls = this.#makeControls();
    this.#placeLights();
    canvas.addEventListener("keydown", (event) => this.#onKey(event));
    new ResizeObserver(() => this.#resize()).observe(canvas);
    canvas.addEventListener("webglcontextrestored", () => this.#draw());
  }

  /** Shows a scene in the place of the one before, which is given back. */
  async show(data: Uint8Array<ArrayBuffer>): Promise<ShownScene> {
    const loader = new GLTFLoader().setDRACOLoader(this.#draco).setMeshoptDecoder(MeshoptDecoder);
    const gltf = await loader.parseAsync(data.slice().buffer, "");
    this.clear();
    this.#gltf = gltf;
    this.#scene.add(gltf.scene);
    const clip = gltf.animations[0]; // of several the server shows the first, too
    if (clip) {
      this.#mixer = new three.AnimationMixer(gltf.scene);
      const action = this.#mixer.clipAction(clip);
      action.setLoop(three.LoopOnce, 1);
      action.clampWhenFinished = true;
      action.play();
      this.#mixer.setTime(0);
    }
    gltf.scene.updateMatrixWorld(true);
    this.#fileCameras = [];
    let hasLight = false;
    gltf.scene.traverse((node) => {
      if (node instanceof three.PerspectiveCamera) this.#fileCameras.push(node);
      if (node instanceof three.Light) hasLight = true;
      if (node instanceof three.Mesh) node.frustumCulled = false;
    });
    this.#sun.visible = !hasLight;
    this.#sky.intensity = hasLight ? DIMMED * Math.PI : Math.PI;
    this.#points = pointsOf(gltf.scene);
    this.#bounds.setFromPoints(this.#points);
    if (this.#bounds.isEmpty()) this.#bounds.set(new three.Vector3(-1, -1, -1), new three.Vector3(1, 1, 1));
    this.frameAll();
    return {
      cameras: this.#fileCameras.map((camera, index) => camera.name || camera.parent?.name || `camera ${index}`),
      duration_s: clip?.duration ?? 0,
      materials: (gltf.parser.json.materials ?? []).map((material: { name?: string }) => material.name ?? ""),
    };
  }

  /** Takes the scene away, and gives back what WebGL holds of it. */
  clear(): void {
    this.#mixer?.stopAllAction();
    this.#mixer = null;
    this.#fileCameras = [];
    this.#points = [];
    if (!this.#gltf) return;
    for (const scene of this.#gltf.scenes) {
      scene.removeFromParent();
      scene.traverse((node) => {
        if (node instanceof three.SkinnedMesh) node.skeleton.dispose();
        if (!(node instanceof three.Mesh || node instanceof three.Line || node instanceof three.Points)) return;
        node.geometry.dispose();
        for (const material of [node.material].flat()) dispose(material);
      });
    }
    this.#gltf = null;
    this.#draw();
  }

  /** Looks at a box, of a scene that is not shown. */
  frame(bounds: [number[], number[]] | null): void {
    const [low, high] = bounds ?? [[-1, -1, -1], [1, 1, 1]];
    this.#bounds.set(new three.Vector3(...low), new three.Vector3(...high));
    this.frameAll();
  }

  /** Looks at everything, from above and aside. */
  frameAll(): void {
    this.#setLens(FOV_DEG);
    const direction = this.#up === "y" ? new three.Vector3(0.55, 0.5, 1) : new three.Vector3(0.55, -1, 0.5);
    direction.normalize();
    this.#camera.quaternion.setFromRotationMatrix(new three.Matrix4().lookAt(direction, new three.Vector3(), this.#camera.up));
    fit(this.#camera, this.#points.length ? this.#points : cornersOf(this.#bounds));
    this.#aimAhead();
    this.#turned();
  }

  /** Looks through one of the file's cameras. */
  useCamera(index: number): void {
    const camera = this.#fileCameras[index];
    if (!camera) return;
    camera.updateWorldMatrix(true, false);
    camera.matrixWorld.decompose(this.#camera.position, this.#camera.quaternion, new three.Vector3());
    this.#setLens(camera.fov);
    this.#aimAhead();
    this.#isOfFile = true;
    this.#setPlanes();
    this.#changed();
  }

  set fov(degrees: number) {
    this.#setLens(degrees);
    this.#changed();
  }

  get fov(): number {
    return this.#camera.fov;
  }

  set aspect(aspect: number) {
    this.#camera.aspect = aspect;
    this.#camera.updateProjectionMatrix();
    this.#draw();
  }

  set up(up: UpAxis) {
    this.#up = up;
    const target = this.#controls.target.clone();
    this.#controls.dispose();
    this.#controls = this.#makeControls();
    this.#controls.target.copy(target);
    this.#placeLights();
    this.frameAll();
  }

  /** The moment of the file's animation, seconds. */
  set time(seconds: number) {
    this.#mixer?.setTime(seconds);
    this.#changed();
  }

  get pose(): Pose {
    this.#camera.updateMatrixWorld();
    const { fov, near, far } = this.#camera;
    return { camera_to_world: this.#camera.matrixWorld.clone().transpose().toArray(), fov_y_deg: fov, near, far };
  }

  get isOfFile(): boolean {
    return this.#isOfFile;
  }

  get #radius(): number {
    return Math.max(this.#bounds.getSize(new three.Vector3()).length() / 2, 1e-6);
  }

  #makeControls(): OrbitControls {
    this.#camera.up.set(0, this.#up === "y" ? 1 : 0, this.#up === "z" ? 1 : 0);
    const controls = new OrbitControls(this.#camera, this.canvas);
    controls.enableDamping = false; // the view rests as soon as the hand does
    controls.addEventListener("change", () => this.#turned());
    return controls;
  }

  /** Turns about the point ahead that is as deep as the middle of the scene. */
  #aimAhead(): void {
    const forward = new three.Vector3(0, 0, -1).applyQuaternion(this.#camera.quaternion);
    const depth = this.#bounds.getCenter(new three.Vector3()).sub(this.#camera.position).dot(forward);
    this.#controls.target.copy(this.#camera.position).addScaledVector(forward, Math.max(depth, 0.1 * this.#radius));
  }

  #turned(): void {
    this.#isOfFile = false;
    this.#camera.lookAt(this.#controls.target);
    this.#setPlanes();
    this.#changed();
  }

  #setLens(fov: number): void {
    this.#camera.fov = fov;
    this.#camera.updateProjectionMatrix();
  }

  /** Puts the clipping planes around all there is, as close as WebGL's depth needs them. */
  #setPlanes(): void {
    const distance = this.#camera.position.distanceTo(this.#controls.target);
    this.#camera.near = Math.max(0.01 * Math.min(distance, this.#radius), 1e-5);
    const toMiddle = this.#camera.position.distanceTo(this.#bounds.getCenter(new three.Vector3()));
    this.#camera.far = toMiddle + 4 * this.#radius + this.#camera.near;
    this.#camera.updateProjectionMatrix();
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [right, up] = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] } as Record<string, [number, number]>)[event.key] ?? [0, 0];
    if (right || up) (event.shiftKey ? this.#pan(right, up) : this.#turn(right, up));
    else if (event.key === "+" || event.key === "=") this.#zoom(1 / ZOOM);
    else if (event.key === "-") this.#zoom(ZOOM);
    else if (event.key === "Home") this.frameAll();
    else return;
    event.preventDefault();
  }

  #turn(right: number, up: number): void {
    const toY = new three.Quaternion().setFromUnitVectors(this.#camera.up, new three.Vector3(0, 1, 0));
    const offset = this.#camera.position.clone().sub(this.#controls.target).applyQuaternion(toY);
    const place = new three.Spherical().setFromVector3(offset);
    place.theta += right * TURN;
    place.phi = Math.min(Math.max(place.phi - up * TURN, 0.01), Math.PI - 0.01);
    offset.setFromSpherical(place).applyQuaternion(toY.invert());
    this.#camera.position.copy(this.#controls.target).add(offset);
    this.#turned();
  }

  #pan(right: number, up: number): void {
    const step = STEP * this.#camera.position.distanceTo(this.#controls.target);
    const aside = new three.Vector3(right * step, up * step, 0).applyQuaternion(this.#camera.quaternion);
    this.#camera.position.add(aside);
    this.#controls.target.add(aside);
    this.#turned();
  }

  #zoom(factor: number): void {
    const offset = this.#camera.position.clone().sub(this.#controls.target).multiplyScalar(factor);
    this.#camera.position.copy(this.#controls.target).add(offset);
    this.#turned();
  }

  /** Puts the sky above, and the sun where the server has it. */
  #placeLights(): void {
    this.#sky.position.copy(this.#camera.up);
    this.#sun.position.set(-0.53, this.#up === "y" ? 1 : -0.53, this.#up === "y" ? 0.53 : 1);
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    this.#renderer.setSize(clientWidth, clientHeight, false);
    this.#draw();
  }

  #changed(): void {
    this.#draw();
    this.onChange();
  }

  #draw(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#renderer.render(this.#scene, this.#camera);
    });
  }
}

function dispose(material: three.Material): void {
  for (const value of Object.values(material)) {
    if (!(value instanceof three.Texture)) continue;
    if (value.image instanceof ImageBitmap) value.image.close();
    value.dispose();
  }
  material.dispose();
}
