/**
 * libdkvb: classifiers that can forget.
 *
 * The library on one page. Rows of features go in (`float[n][dim]`, from any
 * frozen encoder); a discrete key-value bottleneck turns each into a small code;
 * values trained on codes answer with a class; and a class is forgotten by masking
 * the pairs that its rows select, with no training at all.
 *
 *     dkvb_fit(&model, &codeset, &rows, NULL, NULL, NULL);         // all of training, with settings that suit  fit.h
 *
 * or step by step:
 *
 *     dkvb_codebooks *cb;  dkvb_model *model;  dkvb_mask *mask;
 *
 *     dkvb_encoder_encode(encoder, images, n, x, NULL, NULL);      // rows of pictures, if any  encoder.h
 *     dkvb_codebooks_fit(&cb, x, n, dim, NULL, NULL);              // place the keys, once      codebooks.h
 *     dkvb_model_new(&model, cb, classes, NULL);                   //                           model.h
 *     dkvb_search(cb, NULL, x, n, 1, codes, NULL, NULL);           // one search a row, ever    search.h
 *     dkvb_model_train(model, codes, 1, labels, n, NULL, NULL);    // values learn from codes   values.h
 *     dkvb_model_predict(model, x, n, answers, NULL, NULL);        // classify                  model.h
 *
 *     dkvb_mask_new(&mask, cb);                                    //                           mask.h
 *     dkvb_unlearn_choose(mask, model, &request, 100000, NULL);    // what a forget set uses    choose.h
 *     dkvb_model_forget(model, mask, NULL, &entry);                // suppressed, journalled    unlearn.h
 *     dkvb_model_undo(model, entry, NULL);                         // taken back, bit for bit
 *     dkvb_model_purge(model);                                     // or made permanent
 *     dkvb_model_save(model, "m.dkvb");                            // atomic                    model.h
 *
 *     dkvb_audit_run(&report, model, NULL, &rows, NULL, NULL);     // what is left of the rows? audit.h
 *
 * Linear heads to compare a model with are in a library beside this one: reference.h, which is not included here.
 *
 * Every fallible call returns a `dkvb_status`; dkvb_last_error() has the sentence
 * for a person. Handles are freed by `_free`, options start from `_INIT`, files
 * are read by data.h. Shapes in comments are row-major; letters are those of
 * docs/method.md: n rows, m input width, C codebooks, K keys, d key width, L classes, k selected.
 */
#ifndef DKVB_H
#define DKVB_H

#include "audit.h"
#include "calibration.h"
#include "choose.h"
#include "codebooks.h"
#include "codeset.h"
#include "data.h"
#include "effect.h"
#include "encoder.h"
#include "export.h"
#include "file.h"
#include "fit.h"
#include "images.h"
#include "init.h"
#include "mask.h"
#include "memory.h"
#include "model.h"
#include "plan.h"
#include "replay.h"
#include "runtime.h"
#include "search.h"
#include "separation.h"
#include "status.h"
#include "sweep.h"
#include "unlearn.h"
#include "values.h"
#include "version.h"

#endif
