// Everything the page says, in English and French.

const EN = {
  skip: "Skip to the batch", language: "Language", signOut: "Sign out", batches: "Batches",
  drop: "Drop images", dropHere: "Drop a folder here. Its folders become labels.",
  chooseFolder: "Choose a folder", chooseFiles: "Choose files", batchName: "Name of the batch", batchNameHelp: "Any name without a slash",
  readyAfter: "Process as soon as everything is uploaded", upload: "Upload {count|image|images}",
  stop: "Stop", goOn: "Go on", clear: "Clear", tryAgain: "Try {count} again",
  leftOut: "Left out, being no images: {count|file|files}",
  tooLarge: "Left out, being larger than {limit}: {count|file|files}",
  hashing: "Looking at what is there already …",
  uploading: "{done} of {total} images uploaded ({size} of {all})",
  uploaded: "{sent|image|images} uploaded, {known} there already.",
  uploadFailed: "{count} could not be uploaded: {reason}", stopped: "Stopped. Nothing is lost: go on, or drop the same folder again later.",
  willClose: "Its processing has been asked for.", willWait: "The batch is processed when it goes quiet.",
  nothingNew: "Nothing is new.", noBatches: "No batches yet. Drop a folder of images above.",
  noImages: "There are no images in it.", choose: "Choose a batch to see what became of its images.",
  arriving: "Uploaded. The batch shows here in a moment.", noSuchBatch: "There is no batch of this name. Choose another.",
  run: "Run {number}", colon: ": ", runs: "Runs", files: "{count|file|files}",
  OPEN: "waiting: {files|file|files}, closes in {seconds} s unless more come",
  SEALED: "closed: the job is being submitted", SUBMITTED: "queued: Spark is starting",
  RUNNING: "running: {files|file|files}", RUNNING_AT: "running: {done} of {total} images, {rate} images/s",
  SUCCEEDED: "processed: the results are being catalogued", DONE: "done", FAILED: "failed: {reason}",
  found: "found", processed: "processed", rejected: "rejected", missing: "missing",
  balanced: "The receipt balances: every image is accounted for.", unbalanced: "The receipt does not balance.",
  drift: "Drift", driftLike: "like what was there before", driftUnlike: "unlike what was there before: {times} times as far from it as its own halves are apart.", driftLabel: "Most from label {label}: {share} of the shift.",
  others: "Besides", morePages: "Pages", firstPages: "of {count|file|files} the first page or frame was taken", skipped: "{count|file that is no image|files that are no images}", noFiles: "This run has none.",
  cost: "Cost", costDetail: "{amount} ({vcpu} vCPU-hours, {memory} GB-hours)", costLater: "not told by AWS yet",
  took: "Took", seconds: "{count} s", minutes: "{count} min", closed: "Closed because", coordinates: "Coordinates",
  pcaVersion: "PCA version {number}", download: "Download", csv: "CSV", receipt: "Receipt",
  features: "Features (Parquet)", coordinatesFile: "Coordinates (Parquet)", rejectedFile: "Rejections (Parquet)", skippedFile: "Skipped files",
  map: "Map", rejectedTab: "Rejected ({count})", duplicates: "Near duplicates", outliers: "Outliers",
  mapHelp: "Drag to move, scroll to zoom, click an image for those like it. Keys: arrows, + and −, 0 for all, Enter for the image at the centre.",
  mapHelpTouch: "Drag to move, pinch to zoom, touch an image for those like it.",
  mapShown: "{shown} of {total} images", mapRule: "a fair sample: {rule}",
  mapName: "Map of the images by their first two principal components",
  lasso: "Lasso", lassoHelp: "Draw around images to choose them.", chosen: "{count} chosen",
  saveList: "Download the list", unchoose: "Choose none", labels: "Labels", noLabel: "(no label)", allImages: "All batches",
  colourBy: "Colour by", label: "label", batch: "batch", whole: "Show all", zoomIn: "Zoom in", zoomOut: "Zoom out",
  noWebgl: "This browser cannot draw the map (it needs WebGL 2). The other tabs work.",
  nothingToDraw: "There is nothing to draw: no image of this batch has been processed.",
  noneRejected: "No image was rejected.", more: "More", details: "Details",
  noDuplicates: "No near duplicates: no two images have a cosine of {cosine} or more.",
  groupSame: "{count} images with the same content", groupNear: "{count} images alike (cosine from {cosine})",
  outliersHelp: "The images that are least like any other of the batch, the loneliest first.",
  similar: "Similar images", alike: "{percent} alike", same: "same content", close: "Close", path: "Object key", labelOf: "Label", batchOf: "Batch",
  noOriginal: "The original is no longer there.", all: "in all batches", here: "in this batch",
  loading: "Loading …", offline: "The API cannot be reached. Trying again …", cannotStart: "The page cannot start: {reason}. Load it again.",
  reasons: {
    empty: "The file is empty.", not_an_image: "Called like an image, but is none.",
    truncated: "It ends before the image does: the upload or copy was cut off.",
    too_many_pixels: "It has more pixels than the limit.", unsupported_mode: "A kind of file that is not read; the detail says what to do.",
    too_large: "The file is larger than the limit.", missing: "It was gone when the job came for it.",
    decode_error: "It is damaged and cannot be read.", decoder_crashed: "Reading it ended the decoder.", too_slow: "Reading it took too long.",
    encrypted: "It needs a password: unpack the archive first.", bad_name: "Its name in the archive leads elsewhere, or is another’s.",
    archive_limit: "The archive has too many files, or grows too large.",
    erased: "An image with this content was erased, and may not come back.",
  },
};

const FR = {
  skip: "Aller au lot", language: "Langue", signOut: "Se déconnecter", batches: "Lots",
  drop: "Déposer des images", dropHere: "Déposez un dossier ici. Ses sous-dossiers deviennent des étiquettes.",
  chooseFolder: "Choisir un dossier", chooseFiles: "Choisir des fichiers", batchName: "Nom du lot", batchNameHelp: "Un nom sans barre oblique",
  readyAfter: "Traiter dès que tout est envoyé", upload: "Envoyer {count|image|images}",
  stop: "Arrêter", goOn: "Continuer", clear: "Effacer", tryAgain: "Réessayer pour {count}",
  leftOut: "Laissés de côté, n’étant pas des images : {count|fichier|fichiers}",
  tooLarge: "Laissés de côté, dépassant {limit} : {count|fichier|fichiers}",
  hashing: "Recherche de ce qui est déjà là …",
  uploading: "{done} images sur {total} envoyées ({size} sur {all})",
  uploaded: "{sent|image envoyée|images envoyées}, {known} déjà là.",
  uploadFailed: "{count} n’ont pas pu être envoyées : {reason}", stopped: "Arrêté. Rien n’est perdu : continuez, ou déposez à nouveau le même dossier plus tard.",
  willClose: "Son traitement est demandé.", willWait: "Le lot sera traité quand plus rien n’arrivera.",
  nothingNew: "Rien de nouveau.", noBatches: "Pas encore de lot. Déposez un dossier d’images ci-dessus.",
  noImages: "Il ne contient aucune image.", choose: "Choisissez un lot pour voir ce que ses images sont devenues.",
  arriving: "Envoyé. Le lot s’affiche ici dans un instant.", noSuchBatch: "Il n’y a pas de lot de ce nom. Choisissez-en un autre.",
  run: "Exécution {number}", colon: " : ", runs: "Exécutions", files: "{count|fichier|fichiers}",
  OPEN: "en attente : {files|fichier|fichiers}, clôture dans {seconds} s si plus rien n’arrive",
  SEALED: "clos : le traitement est demandé", SUBMITTED: "en file : Spark démarre",
  RUNNING: "en cours : {files|fichier|fichiers}", RUNNING_AT: "en cours : {done} images sur {total}, {rate} images/s",
  SUCCEEDED: "traité : les résultats sont catalogués", DONE: "terminé", FAILED: "échec : {reason}",
  found: "trouvées", processed: "traitées", rejected: "rejetées", missing: "manquantes",
  balanced: "Le reçu est équilibré : chaque image est comptée.", unbalanced: "Le reçu n’est pas équilibré.",
  drift: "Dérive", driftLike: "semblable à ce qui était là avant", driftUnlike: "différent de ce qui était là avant : {times} fois plus loin que ses propres moitiés entre elles.", driftLabel: "Surtout l’étiquette {label} : {share} du déplacement.",
  others: "En outre", morePages: "Pages", firstPages: "de {count|fichier|fichiers}, la première page ou vue a été prise", skipped: "{count|fichier qui n’est pas une image|fichiers qui ne sont pas des images}", noFiles: "Cette exécution n’en a pas.",
  cost: "Coût", costDetail: "{amount} ({vcpu} vCPU-heures, {memory} Go-heures)", costLater: "pas encore connu d’AWS",
  took: "Durée", seconds: "{count} s", minutes: "{count} min", closed: "Clos parce que", coordinates: "Coordonnées",
  pcaVersion: "ACP version {number}", download: "Télécharger", csv: "CSV", receipt: "Reçu",
  features: "Caractéristiques (Parquet)", coordinatesFile: "Coordonnées (Parquet)", rejectedFile: "Rejets (Parquet)", skippedFile: "Fichiers ignorés",
  map: "Carte", rejectedTab: "Rejetées ({count})", duplicates: "Quasi-doublons", outliers: "Atypiques",
  mapHelp: "Glissez pour déplacer, molette pour zoomer, cliquez une image pour voir ses semblables. Touches : flèches, + et −, 0 pour tout, Entrée pour l’image au centre.",
  mapHelpTouch: "Glissez pour déplacer, pincez pour zoomer, touchez une image pour voir ses semblables.",
  mapShown: "{shown} images sur {total}", mapRule: "un échantillon équitable : {rule}",
  mapName: "Carte des images selon leurs deux premières composantes principales",
  lasso: "Lasso", lassoHelp: "Entourez des images pour les choisir.", chosen: "{count|choisie|choisies}",
  saveList: "Télécharger la liste", unchoose: "Ne rien choisir", labels: "Étiquettes", noLabel: "(sans étiquette)", allImages: "Tous les lots",
  colourBy: "Couleur selon", label: "l’étiquette", batch: "le lot", whole: "Tout voir", zoomIn: "Agrandir", zoomOut: "Réduire",
  noWebgl: "Ce navigateur ne peut pas dessiner la carte (il faut WebGL 2). Les autres onglets fonctionnent.",
  nothingToDraw: "Rien à dessiner : aucune image de ce lot n’a été traitée.",
  noneRejected: "Aucune image n’a été rejetée.", more: "Plus", details: "Détails",
  noDuplicates: "Pas de quasi-doublons : deux images n’ont jamais un cosinus de {cosine} ou plus.",
  groupSame: "{count} images au contenu identique", groupNear: "{count} images semblables (cosinus dès {cosine})",
  outliersHelp: "Les images qui ressemblent le moins aux autres du lot, la plus isolée d’abord.",
  similar: "Images semblables", alike: "{percent} de ressemblance", same: "même contenu", close: "Fermer", path: "Clé de l’objet", labelOf: "Étiquette", batchOf: "Lot",
  noOriginal: "L’original n’est plus là.", all: "dans tous les lots", here: "dans ce lot",
  loading: "Chargement …", offline: "L’API ne répond pas. Nouvel essai …", cannotStart: "La page ne peut pas démarrer : {reason}. Chargez-la à nouveau.",
  reasons: {
    empty: "Le fichier est vide.", not_an_image: "Nommé comme une image, mais ce n’en est pas une.",
    truncated: "Il finit avant l’image : l’envoi ou la copie a été coupé.",
    too_many_pixels: "Il a plus de pixels que la limite.", unsupported_mode: "Un type de fichier qui n’est pas lu ; le détail dit que faire.",
    too_large: "Le fichier dépasse la limite.", missing: "Elle avait disparu quand le traitement est venu la lire.",
    decode_error: "Elle est abîmée et illisible.", decoder_crashed: "Sa lecture a fait tomber le décodeur.", too_slow: "Sa lecture a pris trop de temps.",
    encrypted: "Un mot de passe la protège : décompressez l’archive d’abord.", bad_name: "Son nom dans l’archive mène ailleurs, ou est celui d’une autre.",
    archive_limit: "L’archive contient trop de fichiers, ou devient trop grande.",
    erased: "Une image de ce contenu a été effacée et ne peut pas revenir.",
  },
};

// What the API says in words, and how French says it
const TOLD = [
  [/^the images whose content has the smallest SHA-256$/, "les images dont le contenu a le plus petit SHA-256"],
  [/^all (\d+) announced files are there$/, "les $1 fichiers annoncés sont là"],
  [/^all (\d+) announced files are there, with those of earlier runs$/, "les $1 fichiers annoncés sont là, avec ceux des exécutions précédentes"],
  [/^marked as ready$/, "marqué comme prêt"],
  [/^quiet for (\d+) s$/, "rien n’est arrivé depuis $1 s"],
  [/^open for (\d+) s, the limit$/, "ouvert depuis $1 s, la limite"],
  [/^(\d+) parts, the limit$/, "$1 parts, la limite"],
  [/^the images that run (\d+) rejected$/, "les images que l’exécution $1 a rejetées"],
];

const LANGUAGES = { en: EN, fr: FR };
let language = "en";

/** The languages there are, by their codes. */
export const languages = Object.keys(LANGUAGES);

/** Speak a language from now on: texts that are made, and all elements with `data-words`. */
export function speak(code) {
  language = LANGUAGES[code] ? code : "en";
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = t(element.dataset.words);
  }
}

/** The language that is spoken. */
export function spoken() {
  return language;
}

/** A text, with its `{names}` filled in: numbers as the language writes them, `{name|one|many}` with
 *  the word that belongs to the number. */
export function t(key, values = {}) {
  const text = LANGUAGES[language][key] ?? key;
  const rules = new Intl.PluralRules(language);
  return spaced(text).replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name, one, many) => {
    const number = n(values[name]);
    return one ? `${number} ${rules.select(values[name]) === "one" ? one : many}` : number;
  });
}

/** French wants spaces before some signs, at which no line may end. */
function spaced(text) {
  return language === "fr" ? text.replace(/ (?=[:;?!…])/g, "\u00a0") : text;
}

/** Words of the API, in the language that is spoken. */
export function told(words) {
  const found = language === "fr" && TOLD.find(([pattern]) => pattern.test(words));
  return found ? words.replace(...found) : words;
}

/** Why an image was rejected. */
export function reason(code) {
  return spaced(LANGUAGES[language].reasons[code] ?? code);
}

/** A number as the language writes it; any other value as it is. */
export function n(value, options = {}) {
  return typeof value === "number" ? new Intl.NumberFormat(language, options).format(value) : `${value ?? ""}`;
}

/** A size in bytes. */
export function bytes(count) {
  const unit = count < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
  return n(count / unit[1], { style: "unit", unit: unit[0], maximumFractionDigits: 1 });
}

/** Where a run stands. */
export function standing(run) {
  const values = { files: run.files, seconds: Math.ceil(run.closes_in_seconds ?? 0), reason: run.reason };
  if (run.state === "RUNNING" && run.progress) {
    const { done, total, images_per_second: rate } = run.progress;
    return t("RUNNING_AT", { done, total, rate });
  }
  return t(run.state, values);
}
